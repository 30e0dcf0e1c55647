#include "tls/trust.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tls/tls_err.h"

struct trust {
	pthread_mutex_t lock; /* over the three below */
	char *pem; /* NULL once parsed */
	size_t n;
	X509_STORE *store; /* NULL: nothing usable */
};

struct trust *
trust_new(struct view pem)
{
	struct trust *t = NEW(struct trust);

	(void)pthread_mutex_init(&t->lock, NULL);
	t->pem = view_dup(pem);
	t->n = pem.n;
	return t;
}

void
trust_free(struct trust *t)
{
	if (t == NULL)
		return;
	X509_STORE_free(t->store);
	(void)pthread_mutex_destroy(&t->lock);
	free(t->pem);
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

static X509_STORE *
parse(struct view pem)
{
	X509_STORE *store = X509_STORE_new();
	struct view block;
	size_t n = 0;

	while (store != NULL && next_block(&pem, &block)) {
		BIO *mem = BIO_new_mem_buf(block.p, (int)block.n);
		X509 *cert = mem != NULL
				 ? PEM_read_bio_X509_AUX(mem, NULL, NULL, NULL)
				 : NULL;

		if (cert != NULL && X509_STORE_add_cert(store, cert) == 1)
			n++;
		X509_free(cert);
		BIO_free(mem);
	}
	ERR_clear_error();
	if (n == 0) {
		X509_STORE_free(store);
		return NULL;
	}
	return store;
}

X509_STORE *
trust_store(struct trust *t, struct err *e)
{
	X509_STORE *store;

	if (tls_start(e) < 0)
		return NULL;
	(void)pthread_mutex_lock(&t->lock);
	if (t->pem != NULL) {
		t->store = parse((struct view) { t->pem, t->n });
		free(t->pem);
		t->pem = NULL;
	}
	store = t->store;
	(void)pthread_mutex_unlock(&t->lock);
	if (store == NULL)
		(void)err_set(e, ERR_INVALID,
		    "no trusted root certificate could be read");
	return store;
}
