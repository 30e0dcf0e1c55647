"""S3 and a JSON service of AWS, as far as they check signatures (SigV4)."""

import hashlib
import hmac
from urllib.parse import quote, unquote

ACCESS = "AKIATESTNET000000001"
SECRET = "testnet/secret+key0123456789abcdefghijkl"


def _mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _canonical(req, service, names, payload):
    path = req.path
    if service == "s3":
        path = quote(unquote(path), safe="/-_.~")
    else:
        path = quote(path, safe="/-_.~")
    pairs = sorted(tuple(quote(unquote(x), safe="-_.~") for x in
                         (p.partition("=")[0], p.partition("=")[2]))
                   for p in req.query.split("&") if p)
    fields = ""
    for name in names:
        values = [" ".join(v.split()) for n, v in req.headers
                  if n.lower() == name]
        fields += f"{name}:{','.join(values)}\n"
    return "\n".join([req.method, path,
                      "&".join(f"{k}={v}" for k, v in pairs), fields,
                      ";".join(names), payload])


def fault(req, region, service, access=ACCESS, secret=SECRET):
    """What is wrong with the signature, or None."""
    kind, _, rest = req.get("authorization").partition(" ")
    parts = dict(p.strip().partition("=")[::2] for p in rest.split(","))
    if kind != "AWS4-HMAC-SHA256" or "Signature" not in parts:
        return "not signed"
    date = req.get("x-amz-date")
    scope = f"{date[:8]}/{region}/{service}/aws4_request"
    if parts.get("Credential") != f"{access}/{scope}":
        return f"credential is {parts.get('Credential')}"
    names = parts.get("SignedHeaders", "").split(";")
    present = {n.lower() for n, _ in req.headers}
    missing = [n for n in ("host", "x-amz-date") if n not in names]
    missing += [n for n in present if n.startswith("x-amz-")
                and n not in names]
    if missing or any(n not in present for n in names):
        return f"signed fields {names}, missing {missing}"
    body = hashlib.sha256(req.body).hexdigest()
    payload = req.get("x-amz-content-sha256", body)
    if payload not in ("UNSIGNED-PAYLOAD", body):
        return f"hash {payload} is not that of the body"
    text = _canonical(req, service, names, payload)
    key = _mac(b"AWS4" + secret.encode(), date[:8])
    for part in (region, service, "aws4_request"):
        key = _mac(key, part)
    sign = "\n".join(["AWS4-HMAC-SHA256", date, scope,
                      hashlib.sha256(text.encode()).hexdigest()])
    if _mac(key, sign).hex() != parts["Signature"]:
        return "signature does not match"
    return None


def aws(world, conn, req):
    """bucket.s3.REGION... and SERVICE.REGION.amazonaws.com."""
    labels = req.get("host").split(".")
    service = "s3" if "s3" in labels else labels[0]
    why = fault(req, labels[labels.index("amazonaws") - 1], service)
    if why:
        return conn.reply_json(req, 403, {"error": why})
    return conn.reply_json(req, 200, {
        "payload": req.get("x-amz-content-sha256"),
        "token": req.get("x-amz-security-token"),
        "body": req.body.decode("latin-1")})
