/*
 * gateway_options.h
 *	  The command line.
 */
#ifndef DDBSTREAMS_GATEWAY_OPTIONS_H
#define DDBSTREAMS_GATEWAY_OPTIONS_H

#include <stdbool.h>
#include <sys/socket.h>

#define OPTIONS_MAX_LISTEN 16

typedef struct ListenAddress
{
	struct sockaddr_storage address;
	socklen_t				length;
	char					text[80]; /* as a URL has it: [::1]:8100 */
} ListenAddress;

typedef struct GatewayOptions
{
	ListenAddress listen[OPTIONS_MAX_LISTEN];
	int			  n_listen;
	const char	 *keys_file; /* NULL with no_auth */
	bool		  no_auth;
	bool		  accept_session_tokens;
	const char	 *tls_cert;
	const char	 *tls_key;
	int			  connections;	/* a role, at most */
	int			  shards;		/* of streams that UpdateTable enables */
	int			  clients;		/* HTTP connections, at most */
	int			  timeout;		/* seconds for an idle or slow client */
	const char	 *metrics_role; /* NULL: none */
	bool		  log_requests;
	bool		  check;
	const char	 *conninfo; /* "" if none was given */
} GatewayOptions;

/* Set by options_parse, and never changed after it */
extern GatewayOptions gateway_options;

/*
 * Reads the command line.  Ends the program for --help, --version and
 * --print-aws-alias with status 0, and for a mistake with status 2.
 */
extern void options_parse(int argc, char **argv);

#endif /* DDBSTREAMS_GATEWAY_OPTIONS_H */
