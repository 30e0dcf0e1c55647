"""Keys and certificates, made by the libcrypto that Python's ssl module uses.

The openssl program would cost several milliseconds for each of some forty
certificates, and the test internet starts anew for every test.
"""

import ctypes
import os
import socket

_P, _I = ctypes.c_void_p, ctypes.c_int
_MBSTRING_UTF8 = 0x1000
_BIO_CTRL_INFO = 3
_DAY = 86400

_lib = ctypes.CDLL("libcrypto.so.3")
for _name, _result, _args in (
        ("EVP_PKEY_Q_keygen", _P, None),
        ("EVP_sha1", _P, ()), ("EVP_sha256", _P, ()),
        ("X509_new", _P, ()), ("X509_free", None, (_P,)),
        ("X509_set_version", _I, (_P, ctypes.c_long)),
        ("X509_get_serialNumber", _P, (_P,)),
        ("ASN1_INTEGER_set_uint64", _I, (_P, ctypes.c_uint64)),
        ("X509_getm_notBefore", _P, (_P,)), ("X509_getm_notAfter", _P, (_P,)),
        ("X509_gmtime_adj", _P, (_P, ctypes.c_long)),
        ("X509_get_subject_name", _P, (_P,)),
        ("X509_set_issuer_name", _I, (_P, _P)),
        ("X509_NAME_add_entry_by_txt", _I,
         (_P, ctypes.c_char_p, _I, ctypes.c_char_p, _I, _I, _I)),
        ("X509_set_pubkey", _I, (_P, _P)),
        ("X509V3_set_ctx", None, (_P, _P, _P, _P, _P, _I)),
        ("OBJ_sn2nid", _I, (ctypes.c_char_p,)),
        ("X509V3_EXT_conf_nid", _P, (_P, _P, _I, ctypes.c_char_p)),
        ("X509_EXTENSION_free", None, (_P,)),
        ("X509_add_ext", _I, (_P, _P, _I)),
        ("X509_sign", _I, (_P, _P, _P)),
        ("X509_subject_name_hash", ctypes.c_ulong, (_P,)),
        ("BIO_s_mem", _P, ()), ("BIO_new", _P, (_P,)), ("BIO_free", _I, (_P,)),
        ("BIO_ctrl", ctypes.c_long, (_P, _I, ctypes.c_long, _P)),
        ("PEM_write_bio_X509", _I, (_P, _P)),
        ("PEM_write_bio_PrivateKey", _I, (_P,) * 4 + (_I, _P, _P))):
    _f = getattr(_lib, _name)
    _f.restype = _result
    if _args is not None:
        _f.argtypes = _args


def _ok(value, what):
    if not value:
        raise OSError(f"libcrypto: cannot {what}")
    return value


def _pem(write, *args):
    bio = _ok(_lib.BIO_new(_lib.BIO_s_mem()), "allocate")
    try:
        _ok(write(bio, *args), "encode")
        p = _P()
        n = _lib.BIO_ctrl(bio, _BIO_CTRL_INFO, 0, ctypes.byref(p))
        return ctypes.string_at(p, n)
    finally:
        _lib.BIO_free(bio)


class Key:
    """A fresh P-256 key; lives as long as the process."""

    def __init__(self):
        self.p = _ok(_lib.EVP_PKEY_Q_keygen(None, None, b"EC", b"P-256"),
                     "generate a key")

    def pem(self):
        return _pem(_lib.PEM_write_bio_PrivateKey, self.p, None, None, 0,
                    None, None)


def _sign(subject, key, issuer, signer, extensions, days, digest):
    """A certificate as a libcrypto pointer; issuer None means itself."""
    x = _ok(_lib.X509_new(), "allocate")
    _lib.X509_set_version(x, 2)
    _lib.ASN1_INTEGER_set_uint64(
        _lib.X509_get_serialNumber(x),
        int.from_bytes(os.urandom(8), "big") >> 1 | 1)
    first, last = days
    _lib.X509_gmtime_adj(_lib.X509_getm_notBefore(x), first * _DAY)
    _lib.X509_gmtime_adj(_lib.X509_getm_notAfter(x), last * _DAY)
    name = _lib.X509_get_subject_name(x)
    # The common name is bounded to 64 characters, RFC 5280 appendix A.1.
    _ok(_lib.X509_NAME_add_entry_by_txt(
        name, b"CN", _MBSTRING_UTF8, subject[:64].encode(), -1, -1, 0),
        "name a certificate")
    issuer = issuer or x
    _lib.X509_set_issuer_name(x, _lib.X509_get_subject_name(issuer))
    _ok(_lib.X509_set_pubkey(x, key.p), "set a key")
    ctx = ctypes.create_string_buffer(256)	# larger than any X509V3_CTX
    _lib.X509V3_set_ctx(ctx, issuer, x, None, None, 0)
    for kind, value in extensions:
        e = _ok(_lib.X509V3_EXT_conf_nid(
            None, ctx, _lib.OBJ_sn2nid(kind.encode()), value.encode()),
            f"make {kind}={value}")
        _lib.X509_add_ext(x, e, -1)
        _lib.X509_EXTENSION_free(e)
    _ok(_lib.X509_sign(x, signer.p, digest()), "sign")
    return x


class Authority:
    """A root: its certificate, and leaves signed by a key that stays here."""

    def __init__(self, subject):
        self.key = Key()
        self._x = _sign(subject, self.key, None, self.key, (
            ("basicConstraints", "critical,CA:TRUE"),
            ("keyUsage", "critical,keyCertSign,cRLSign"),
            ("subjectKeyIdentifier", "hash")), (-30, 3650), _lib.EVP_sha256)
        self.pem = _pem(_lib.PEM_write_bio_X509, self._x)
        # The stem of the file name under which OpenSSL looks in a folder.
        self.name_hash = f"{_lib.X509_subject_name_hash(self._x):08x}"

    def leaf(self, name, key, addresses=(), wrong=""):
        """PEM of a server certificate for name, followed by the root.

        wrong: "", or the one thing that is wrong with it: "expired", "sha1".
        """
        x = _sign(name, key, self._x, self.key, _leaf_extensions(
            name, addresses) + (("authorityKeyIdentifier", "keyid:always"),),
            (-30, -1) if wrong == "expired" else (-1, 90),
            _lib.EVP_sha1 if wrong == "sha1" else _lib.EVP_sha256)
        return _take(x) + self.pem


def self_signed(name, key, addresses=()):
    """PEM of a server certificate that nobody vouches for."""
    return _take(_sign(name, key, None, key,
                       _leaf_extensions(name, addresses), (-1, 90),
                       _lib.EVP_sha256))


def _leaf_extensions(name, addresses):
    alt = [f"DNS:{name}"]
    for a in addresses:
        family = socket.AF_INET6 if ":" in a else socket.AF_INET
        alt.append("IP:" + socket.inet_ntop(family,
                                            socket.inet_pton(family, a)))
    return (("basicConstraints", "critical,CA:FALSE"),
            ("keyUsage", "critical,digitalSignature"),
            ("extendedKeyUsage", "serverAuth"),
            ("subjectKeyIdentifier", "hash"),
            ("subjectAltName", ",".join(alt)))


def _take(x):
    pem = _pem(_lib.PEM_write_bio_X509, x)
    _lib.X509_free(x)
    return pem
