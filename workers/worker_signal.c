/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	worker_signal - what a crash says before it ends
 *
 * DESCRIPTION
 *	A handler on a stack of its own writes the signal's name and the address
 *	into the page's last words, then lets the signal have its way, so that
 *	the exit status and the core are the true ones.  SIGABRT from outside
 *	is how the supervisor ends a hung stage; after our own panic() the words
 *	are already there.
 *
 * PROCESS
 *	Every stage.
 *
 * SHARED STATE
 *	Writes its page's last words.
 */
#include "workers/worker_parts.h"

#include "common/panic.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define STACK_BYTES (64 * 1024)

static char *words;
static uint8_t stack[STACK_BYTES] __attribute__((aligned(16)));

/* snprintf() is not for signal handlers. */
static char *
put_text(char *at, const char *text)
{
	size_t len = strlen(text);

	memcpy(at, text, len);
	return at + len;
}

static char *
put_number(char *at, uint64_t n, unsigned base)
{
	char digits[24];
	int i = 0;

	do {
		digits[i++] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n != 0);
	while (i > 0)
		*at++ = digits[--i];
	return at;
}

static const char *
signal_text(int sig)
{
	switch (sig) {
	case SIGSEGV:
		return "SIGSEGV";
	case SIGBUS:
		return "SIGBUS";
	case SIGFPE:
		return "SIGFPE";
	case SIGILL:
		return "SIGILL";
	case SIGABRT:
		return "SIGABRT";
	default:
		return "signal";
	}
}

static void
on_crash(int sig, siginfo_t *info, void *context)
{
	char line[128], *at = line;
	bool is_ours = info->si_code <= 0 && info->si_pid == getpid();

	(void)context;
	if (!(sig == SIGABRT && is_ours)) {
		at = put_text(at, signal_text(sig));
		if (info->si_code > 0) {
			at = put_text(at, " at address 0x");
			at = put_number(at, (uint64_t)(uintptr_t)info->si_addr, 16);
		} else {
			at = put_text(at, info->si_pid == getppid() ? " from the supervisor, pid "
								    : " sent by pid ");
			at = put_number(at, (uint64_t)info->si_pid, 10);
		}
		*at = '\0';
		memcpy(words, line, (size_t)(at - line) + 1);
	}
	/* SA_RESETHAND has put the default action back; SA_NODEFER lets it in. */
	(void)raise(sig);
}

void
worker_signal_last_words(struct process_page *page)
{
	static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
	struct sigaction sa = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | SA_NODEFER};

	words = page->last_words;
	panic_last_words(page->last_words, sizeof page->last_words);
	(void)sigaltstack(&alternate, NULL);
	sa.sa_sigaction = on_crash;
	(void)sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
		(void)sigaction(crashes[i], &sa, NULL);
}
