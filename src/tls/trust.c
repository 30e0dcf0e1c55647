/*
 * trust: see trust.h.
 *
 * Decoding a certificate's key costs OpenSSL 3.0 about 100 µs, and a bundle
 * holds some 140 of which a sandbox needs a few.  So only the subjects are read
 * at first, and of them a hash is kept; a root is decoded when a chain asks for
 * its subject, by a lookup method of ours (X509_LOOKUP_meth_new(3)), and then
 * stays in the store.
 */
#include "tls/trust.h"

#include <errno.h>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "tls/tls_err.h"

enum { PIECE = 65536 };

struct root {
	unsigned long subject; /* X509_NAME_hash_ex(3) of it */
	unsigned char *der; /* NULL once decoded */
	long der_n;
};

struct trust {
	pthread_mutex_t lock; /* over all below */
	struct buf pem; /* until read */
	int fd; /* instead of pem; -1 once read */
	bool read;
	X509_STORE *store; /* NULL: nothing usable */
	X509_LOOKUP_METHOD *method;
	struct root *roots;
	size_t n_roots, cap_roots;
};

static struct trust *
trust_make(int fd)
{
	struct trust *t = NEW(struct trust);

	(void)pthread_mutex_init(&t->lock, NULL);
	t->pem = BUF_INIT(TRUST_MAX + PIECE);
	t->fd = fd;
	return t;
}

struct trust *
trust_new(struct view pem)
{
	struct trust *t = trust_make(-1);

	buf_put(&t->pem, pem);
	return t;
}

struct trust *
trust_new_fd(int fd)
{
	return trust_make(fd);
}

void
trust_free(struct trust *t)
{
	if (t == NULL)
		return;
	X509_STORE_free(t->store);
	X509_LOOKUP_meth_free(t->method);
	for (size_t i = 0; i < t->n_roots; i++)
		OPENSSL_free(t->roots[i].der);
	(void)pthread_mutex_destroy(&t->lock);
	free(t->roots);
	buf_fini(&t->pem);
	fd_close(&t->fd);
	free(t);
}

/* From one BEGIN to its END, so that one bad block does not hide the rest. */
static bool
next_block(struct view *rest, struct view *block)
{
	static const char begin[] = "-----BEGIN ", end[] = "-----END ";
	const char *from, *to, *eol;

	if (rest->n == 0)
		return false;
	from = memmem(rest->p, rest->n, begin, sizeof(begin) - 1);
	if (from == NULL)
		return false;
	*rest = view_slice(*rest, (size_t)(from - rest->p), rest->n);
	to = memmem(rest->p, rest->n, end, sizeof(end) - 1);
	if (to == NULL)
		return false;
	eol = memchr(to, '\n', rest->n - (size_t)(to - rest->p));
	block->p = from;
	block->n = eol != NULL ? (size_t)(eol - from) + 1 : rest->n;
	*rest = view_slice(*rest, block->n, rest->n);
	return true;
}

/*
 * Enters the element at *p, or steps over it.  Its tag, or -1 when it does not
 * fit between *p and `end`.
 */
static int
der_next(const unsigned char **p, const unsigned char *end, bool enter)
{
	int tag, class, form;
	long n;

	form = ASN1_get_object(p, &n, &tag, &class, end - *p);
	if (form & 0x80)
		return -1;
	if (!enter)
		*p += n;
	return class == V_ASN1_UNIVERSAL ? tag : tag | 0x100;
}

/* The subject of a certificate, RFC 5280 section 4.1; NULL if malformed. */
static X509_NAME *
subject_of(const unsigned char *der, long n)
{
	const unsigned char *p = der, *end = der + n, *at;
	int tag;

	if (der_next(&p, end, true) != V_ASN1_SEQUENCE || /* Certificate */
	    der_next(&p, end, true) != V_ASN1_SEQUENCE) /* tbsCertificate */
		return NULL;
	at = p;
	tag = der_next(&p, end, false);
	if (tag != (0x100 | 0)) /* version [0] is left out in version 1 */
		p = at;
	if (der_next(&p, end, false) != V_ASN1_INTEGER || /* serialNumber */
	    der_next(&p, end, false) != V_ASN1_SEQUENCE || /* signature */
	    der_next(&p, end, false) != V_ASN1_SEQUENCE || /* issuer */
	    der_next(&p, end, false) != V_ASN1_SEQUENCE) /* validity */
		return NULL;
	return d2i_X509_NAME(NULL, &p, end - p);
}

/* Reads one PEM block; what is no certificate is passed over. */
static void
add_root(struct trust *t, struct view block)
{
	BIO *mem = BIO_new_mem_buf(block.p, (int)block.n);
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	X509_NAME *subject = NULL;
	unsigned long hash = 0;
	int hashed = 0;
	long n = 0;

	if (mem != NULL && PEM_read_bio(mem, &name, &header, &der, &n) == 1 &&
	    strcmp(name, PEM_STRING_X509) == 0)
		subject = subject_of(der, n);
	if (subject != NULL)
		hash = X509_NAME_hash_ex(subject, NULL, NULL, &hashed);
	X509_NAME_free(subject);
	BIO_free(mem);
	OPENSSL_free(name);
	OPENSSL_free(header);
	if (!hashed) {
		OPENSSL_free(der);
		return;
	}
	if (t->n_roots == t->cap_roots) {
		t->cap_roots = t->cap_roots > 0 ? t->cap_roots * 2 : 16;
		t->roots =
		    mem_realloc(t->roots, t->cap_roots, sizeof(t->roots[0]));
	}
	t->roots[t->n_roots++] = (struct root) { hash, der, n };
}

/*
 * Decodes every root of that subject into the store (a re-issued root has the
 * name of the old one, and OpenSSL looks at all in the store).  One of them,
 * borrowed from the store, or NULL.
 */
static X509 *
load_roots(struct trust *t, const X509_NAME *name)
{
	X509 *found = NULL;
	int hashed;
	unsigned long hash = X509_NAME_hash_ex(name, NULL, NULL, &hashed);

	if (!hashed)
		return NULL;
	for (size_t i = 0; i < t->n_roots; i++) {
		struct root *r = &t->roots[i];
		const unsigned char *p = r->der;
		X509 *cert;

		if (r->der == NULL || r->subject != hash)
			continue;
		cert = d2i_X509(NULL, &p, r->der_n);
		if (cert != NULL &&
		    X509_NAME_cmp(X509_get_subject_name(cert), name) != 0) {
			X509_free(cert); /* another name of the same hash */
			continue;
		}
		OPENSSL_free(r->der);
		r->der = NULL;
		/* A certificate that is there twice is found all the same. */
		if (cert != NULL && X509_STORE_add_cert(t->store, cert) == 1 &&
		    found == NULL)
			found = cert;
		X509_free(cert);
	}
	return found;
}

static int
on_lookup(X509_LOOKUP *lookup, X509_LOOKUP_TYPE type, const X509_NAME *name,
    X509_OBJECT *out)
{
	struct trust *t = X509_LOOKUP_get_method_data(lookup);
	X509 *found = NULL;

	if (type != X509_LU_X509)
		return 0;
	(void)pthread_mutex_lock(&t->lock);
	found = load_roots(t, name);
	(void)pthread_mutex_unlock(&t->lock);
	if (found == NULL || X509_OBJECT_set1_X509(out, found) != 1)
		return 0;
	/* The caller takes its own reference and drops `out` without releasing
	 * it: what `out` holds must be the store's reference, not a new one. */
	X509_free(found);
	return 1;
}

/* What cannot be read leaves the bundle without roots, which refuses all. */
static void
read_fd(struct trust *t)
{
	ssize_t n = -1;

	do {
		if (!buf_reserve(&t->pem, PIECE))
			break;
		n = pread(t->fd, t->pem.p + t->pem.n, PIECE, (off_t)t->pem.n);
		t->pem.n += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n != 0 || t->pem.n > TRUST_MAX)
		t->pem.n = 0;
	fd_close(&t->fd);
}

static void
read_bundle(struct trust *t)
{
	struct view rest = buf_view(&t->pem), block;
	X509_LOOKUP *lookup;

	while (next_block(&rest, &block))
		add_root(t, block);
	ERR_clear_error();
	if (t->n_roots == 0)
		return;
	t->method = X509_LOOKUP_meth_new("roots on demand");
	t->store = X509_STORE_new();
	if (t->method != NULL && t->store != NULL &&
	    X509_LOOKUP_meth_set_get_by_subject(t->method, on_lookup) == 1 &&
	    (lookup = X509_STORE_add_lookup(t->store, t->method)) != NULL &&
	    X509_LOOKUP_set_method_data(lookup, t) == 1)
		return;
	X509_STORE_free(t->store);
	t->store = NULL;
}

X509_STORE *
trust_store(struct trust *t, struct err *e)
{
	X509_STORE *store;

	if (tls_start(e) < 0)
		return NULL;
	(void)pthread_mutex_lock(&t->lock);
	if (!t->read) {
		t->read = true;
		if (t->fd >= 0)
			read_fd(t);
		read_bundle(t);
		buf_fini(&t->pem);
	}
	store = t->store;
	(void)pthread_mutex_unlock(&t->lock);
	if (store == NULL)
		(void)err_set(e, ERR_INVALID,
		    "no trusted root certificate could be read");
	return store;
}
