"""The scripted origins: one function each, by the role in plan.py.

A handler takes (world, conn, request) and returns whether the connection
may carry another request.
"""

from . import aws, chaos, files, github, graphql, mcp, models, packages, websocket

HANDLERS = {
    "github_api": github.api,
    "github_git": github.git,
    "aws": aws.aws,
    "npm": packages.npm,
    "pypi": packages.pypi,
    "anthropic": models.anthropic,
    "openai": models.openai,
    "files": files.files,
    "logged": files.files,
    "redirect": files.redirect,
    "chaos": chaos.chaos,
    "mcp": mcp.mcp,
    "graphql": graphql.graphql,
    "websocket": websocket.websocket,
}
