/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	supervisor_user - names of users and groups
 *
 * PROCESS
 *	The supervisor, before it forks: a lookup may wait for a directory
 *	server, and no restart of a stage should.
 *
 * SHARED STATE
 *	None.
 */
#include "daemon/supervisor.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool
find_group(const char *key, const char *name, gid_t *gid, char *text, size_t size)
{
	const struct group *g;

	if (name[0] == '\0')
		return true;
	g = getgrnam(name);
	if (g == NULL) {
		size_t at = strlen(text);

		(void)snprintf(text + at, size - at, "%s: no such group: %s\n", key, name);
		return false;
	}
	*gid = g->gr_gid;
	return true;
}

bool
supervisor_user_find(const struct config *cfg, struct supervisor_user *out, char *text, size_t size)
{
	const char *name = cfg->global.user;
	bool ok = true;

	*out = (struct supervisor_user){(uid_t)-1, (gid_t)-1, (gid_t)-1};
	text[0] = '\0';
	if (name[0] != '\0') {
		const struct passwd *pw = getpwnam(name);

		if (pw == NULL) {
			(void)snprintf(text, size, "user: no such user: %s%s\n", name,
			    strcmp(name, "sluice") == 0 ? " (systemd-sysusers makes it)" : "");
			ok = false;
		} else {
			out->uid = pw->pw_uid;
			out->gid = pw->pw_gid;
		}
	}
	ok &= find_group("group", cfg->global.group, &out->gid, text, size);
	ok &= find_group("socket-group", cfg->admin.socket_group, &out->socket_gid, text, size);
	if (geteuid() != 0) {
		/* Nobody but root changes users: stages stay who they are. */
		out->uid = (uid_t)-1;
		out->gid = (gid_t)-1;
	}
	return ok;
}
