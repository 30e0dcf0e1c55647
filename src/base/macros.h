/*
 * macros: attributes and the few expressions that C lacks.
 */
#ifndef BASE_MACROS_H
#define BASE_MACROS_H

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/*
 * Large locals whose bytes are all written before they are read: the build
 * zeroes every variable, which would cost more than what is done with these.
 */
#if defined(__has_attribute)
#if __has_attribute(uninitialized)
#define UNINIT __attribute__((uninitialized))
#endif
#endif
#ifndef UNINIT
#define UNINIT
#endif

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
/* <sys/param.h>, which <uv.h> includes, has its own. */
#undef MIN
#undef MAX
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* The struct of type `t` whose member `m` lives at `p`. */
#define CONTAINER_OF(p, t, m) ((t *)(void *)((char *)(p)-offsetof(t, m)))

/* Hands a pointer over: yields `p` and leaves NULL in its place. */
#define take_ptr(p) \
	__extension__({ \
		__typeof__(p) take_ptr_ = (p); \
		(p) = NULL; \
		take_ptr_; \
	})

#endif
