/*
 * banned: calls that no file of ours may make; forced into every translation
 * unit by the build (-include).  Each has a bounded or explicit replacement:
 * buf_* and view_* for strings, snprintf for numbers, posix_spawn for shells.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

/* System headers declare these, so they must come before the poison. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__linux__)
#include <alloca.h>
#endif

/* Fortified libcs make some of these macros. */
#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef strtok
#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol atoll
#pragma GCC poison gmtime localtime ctime asctime system popen gets mktemp
#undef alloca
#pragma GCC poison alloca

#endif
