"""graph.example.test: takes any GraphQL request and says what it was."""

from . import websocket


def graphql(world, conn, req):
    if req.path != "/graphql":
        return conn.reply(req, 404, "no such path\n")
    if websocket.is_upgrade(req):
        websocket.graphql(conn, req)
        return False
    return conn.reply_json(req, 200, {"data": {"method": req.method, "query": req.query,
                                               "body": req.body.decode()}})
