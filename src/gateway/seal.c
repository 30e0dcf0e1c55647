#include "gateway/seal.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/random.h"
#include "gateway/safefile.h"
#include "secrets/rewrite.h"

#define KEY_FILE "credentials.key"

enum { KEY = 32, NONCE = 12, TAG = 16 };
static const char magic[] = "osl1";
enum { MAGIC = sizeof(magic) - 1, HEAD = MAGIC + NONCE };

struct seal {
	struct secret key;
};

static int
make_key(const char *dir, struct buf *key, struct err *e)
{
	unsigned char bytes[KEY];

	random_bytes(bytes, sizeof(bytes));
	buf_put(key, (struct view) { (const char *)bytes, sizeof(bytes) });
	mem_wipe(bytes, sizeof(bytes));
	return safe_save(dir, KEY_FILE, 0600, buf_view(key), e);
}

int
seal_open(const char *state_dir, struct seal **out, struct err *e)
{
	AUTO_RW_OUT struct buf key = BUF_INIT(0);
	struct seal *s;

	rw_out_init(&key, 4096);
	if (safe_load(state_dir, KEY_FILE, true, &key, e) < 0 ||
	    (key.n == 0 && make_key(state_dir, &key, e) < 0))
		return err_wrap(e, "key of the stored credentials");
	if (key.n != KEY)
		return err_set(e, ERR_INVALID,
		    "%s/%s is not a key of %d bytes: restore it from a backup, "
		    "or delete it and the providers",
		    state_dir, KEY_FILE, (int)KEY);
	s = NEW(struct seal);
	secret_init(&s->key, key.p, key.n);
	*out = s;
	return 0;
}

void
seal_free(struct seal *s)
{
	if (s == NULL)
		return;
	secret_fini(&s->key);
	free(s);
}

static unsigned char *
bytes_of(const char *p)
{
	return (unsigned char *)(uintptr_t)p;
}

/* Appends `in` encrypted or decrypted; everything but the tag. */
static int
run(EVP_CIPHER_CTX *c, struct view bound, struct view in, struct buf *out)
{
	int n = 0, more = 0;

	if (in.n > INT32_MAX / 2 || !buf_reserve(out, in.n + TAG) ||
	    EVP_CipherUpdate(c, NULL, &n, bytes_of(bound.p), (int)bound.n) !=
		1 ||
	    EVP_CipherUpdate(c, bytes_of(out->p + out->n), &n, bytes_of(in.p),
		(int)in.n) != 1)
		return -1;
	out->n += (size_t)n;
	return EVP_CipherFinal_ex(c, bytes_of(out->p + out->n), &more) == 1
		   ? 0
		   : -1;
}

static EVP_CIPHER_CTX *
begin(const struct seal *s, const char *nonce, int encrypt)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	if (c != NULL && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, s->key.p,
			     bytes_of(nonce), encrypt) == 1)
		return c;
	EVP_CIPHER_CTX_free(c);
	return NULL;
}

int
seal_lock(struct seal *s, struct view bound, struct view plain, struct buf *out,
    struct err *e)
{
	unsigned char nonce[NONCE], tag[TAG];
	EVP_CIPHER_CTX *c;
	bool ok;

	random_bytes(nonce, sizeof(nonce));
	buf_puts(out, magic);
	buf_put(out, (struct view) { (const char *)nonce, sizeof(nonce) });
	c = begin(s, (const char *)nonce, 1);
	ok = c != NULL && run(c, bound, plain, out) == 0 &&
	     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, tag) == 1;
	EVP_CIPHER_CTX_free(c);
	buf_put(out, (struct view) { (const char *)tag, sizeof(tag) });
	return ok && !out->full
		   ? 0
		   : err_set(e, ERR_INTERNAL, "cannot encrypt credentials");
}

int
seal_unlock(struct seal *s, struct view bound, struct view sealed,
    struct buf *out, struct err *e)
{
	EVP_CIPHER_CTX *c = NULL;
	unsigned char tag[TAG];
	bool ok = sealed.n >= HEAD + TAG && view_starts(sealed, VIEW("osl1"));

	if (ok) {
		memcpy(tag, sealed.p + sealed.n - TAG, TAG);
		c = begin(s, sealed.p + MAGIC, 0);
		ok = c != NULL &&
		     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, tag) ==
			 1 &&
		     run(c, bound, view_slice(sealed, HEAD, sealed.n - TAG),
			 out) == 0;
		EVP_CIPHER_CTX_free(c);
	}
	if (ok)
		return 0;
	rw_out_wipe(out);
	return err_set(e, ERR_INVALID,
	    "stored credentials cannot be decrypted: " KEY_FILE
	    " is not the one they were stored with, or they were altered");
}
