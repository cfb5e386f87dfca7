/*
 * gateway_options.c
 *	  The command line.
 */
#include <getopt.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include "gateway/gateway_log.h"
#include "gateway/gateway_options.h"

#define DEFAULT_LISTEN "127.0.0.1:8100"

GatewayOptions gateway_options = {
	.connections = 16,
	.shards = 1,
	.clients = 4000,
	.timeout = 60,
	.conninfo = "",
};

enum
{
	OPTION_LISTEN = 256,
	OPTION_KEYS,
	OPTION_NO_AUTH,
	OPTION_SESSION_TOKENS,
	OPTION_TLS_CERT,
	OPTION_TLS_KEY,
	OPTION_CONNECTIONS,
	OPTION_SHARDS,
	OPTION_CLIENTS,
	OPTION_TIMEOUT,
	OPTION_METRICS_ROLE,
	OPTION_LOG_REQUESTS,
	OPTION_PRINT_AWS_ALIAS,
	OPTION_CHECK
};

static const struct option long_options[] = {
	{"listen", required_argument, NULL, OPTION_LISTEN},
	{"keys", required_argument, NULL, OPTION_KEYS},
	{"no-auth", no_argument, NULL, OPTION_NO_AUTH},
	{"session-tokens", required_argument, NULL, OPTION_SESSION_TOKENS},
	{"tls-cert", required_argument, NULL, OPTION_TLS_CERT},
	{"tls-key", required_argument, NULL, OPTION_TLS_KEY},
	{"connections", required_argument, NULL, OPTION_CONNECTIONS},
	{"shards", required_argument, NULL, OPTION_SHARDS},
	{"clients", required_argument, NULL, OPTION_CLIENTS},
	{"timeout", required_argument, NULL, OPTION_TIMEOUT},
	{"metrics-role", required_argument, NULL, OPTION_METRICS_ROLE},
	{"log-requests", no_argument, NULL, OPTION_LOG_REQUESTS},
	{"print-aws-alias", no_argument, NULL, OPTION_PRINT_AWS_ALIAS},
	{"check", no_argument, NULL, OPTION_CHECK},
	{"help", no_argument, NULL, '?'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0}};

static const char help[] =
	PROGRAM_NAME " answers AWS's clients from PostgreSQL with the extension ddbstreams.\n"
				 "\n"
				 "Usage:\n"
				 "  " PROGRAM_NAME " --keys FILE [OPTION]... [CONNINFO]\n"
				 "  " PROGRAM_NAME " --no-auth [OPTION]... [CONNINFO]\n"
				 "\n"
				 "CONNINFO is a connection string of libpq (\"host=db dbname=shop\",\n"
				 "postgresql://db/shop) or the name of a database. What it leaves out comes from\n"
				 "PGHOST, PGDATABASE and so on. A list of hosts with target_session_attrs follows\n"
				 "a failover.\n"
				 "\n"
				 "Who may ask what:\n"
				 "  --keys FILE             access keys, a line each: access_key_id\n"
				 "                          secret_access_key role [CONNINFO]; mode 0600; read\n"
				 "                          again on SIGHUP\n"
				 "  --no-auth               everybody, as CONNINFO's user; only on loopback\n"
				 "                          addresses\n"
				 "  --session-tokens accept|refuse\n"
				 "                          requests with X-Amz-Security-Token: take the key as\n"
				 "                          any other, or refuse (the default)\n"
				 "\n"
				 "Where and how:\n"
				 "  --listen ADDRESS:PORT   listen there (" DEFAULT_LISTEN "); may be repeated;\n"
				 "                          [::1]:8100 for IPv6\n"
				 "  --tls-cert FILE, --tls-key FILE\n"
				 "                          speak HTTPS with this certificate chain and key, in\n"
				 "                          PEM\n"
				 "  --connections N         PostgreSQL connections of one role at most (16)\n"
				 "  --clients N             HTTP connections at most (4000)\n"
				 "  --timeout SECONDS       close idle and slow HTTP connections (60)\n"
				 "  --shards N              shards of a stream that UpdateTable enables (1)\n"
				 "  --metrics-role ROLE     /metrics shows what this role sees of streams,\n"
				 "                          mappings and consumers; it should be in pg_monitor\n"
				 "  --log-requests          a line on stderr for each request\n"
				 "\n"
				 "Other:\n"
				 "  --check                 look at options, keys and database, and end\n"
				 "  --print-aws-alias       print an alias file for the AWS CLI, and end:\n"
				 "                          save it as ~/.aws/cli/alias\n"
				 "  --help, --version\n"
				 "\n"
				 "Example:\n"
				 "  " PROGRAM_NAME " --no-auth dbname=shop &\n"
				 "  aws --endpoint-url http://" DEFAULT_LISTEN " dynamodbstreams list-streams\n";

/* Ends the program over a mistake in the command line. */
static void usage_error(const char *hint, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

static void
usage_error(const char *hint, const char *format, ...)
{
	va_list args;

	fprintf(stderr, PROGRAM_NAME ": ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nHint: %s\n", hint);
	exit(2);
}

static int
parse_int(const char *option, const char *text, int min, int max)
{
	char *end;
	long  value = strtol(text, &end, 10);

	if (end == text || *end != '\0' || value < min || value > max)
		usage_error("See --help.", "--%s must be a number from %d to %d, not \"%s\"",
					option, min, max, text);
	return (int) value;
}

static void
add_listen(const char *text)
{
	static const char hint[] = "Write ADDRESS:PORT, as in " DEFAULT_LISTEN " or [::1]:8100.";
	const char		 *colon = strrchr(text, ':');
	char			  host[64];
	size_t			  length = colon != NULL ? (size_t) (colon - text) : 0;
	struct addrinfo	  hints = {0};
	struct addrinfo	 *found;
	ListenAddress	 *listen = &gateway_options.listen[gateway_options.n_listen];

	if (gateway_options.n_listen == OPTIONS_MAX_LISTEN)
		usage_error("Use fewer.", "more than %d --listen", OPTIONS_MAX_LISTEN);
	if (length == 0 || length >= sizeof(host) || strlen(text) >= sizeof(listen->text))
		usage_error(hint, "invalid address \"%s\"", text);
	memcpy(host, text, length);
	host[length] = '\0';
	if (host[0] == '[' && host[length - 1] == ']')
	{
		memmove(host, host + 1, length - 2);
		host[length - 2] = '\0';
	}
	else if (strchr(host, ':') != NULL)
		usage_error(hint, "invalid address \"%s\"", text);
	parse_int("listen's port", colon + 1, 1, 65535);
	hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
	hints.ai_socktype = SOCK_STREAM;
	if (strcmp(host, "localhost") != 0)
		hints.ai_flags |= AI_NUMERICHOST;
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		usage_error(hint, "invalid address \"%s\"", text);
	memcpy(&listen->address, found->ai_addr, found->ai_addrlen);
	listen->length = found->ai_addrlen;
	freeaddrinfo(found);
	strcpy(listen->text, text);
	gateway_options.n_listen++;
}

static bool
is_loopback(const ListenAddress *listen)
{
	if (listen->address.ss_family == AF_INET)
	{
		const struct sockaddr_in *in = (const struct sockaddr_in *) &listen->address;

		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	}
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *) &listen->address)->sin6_addr);
}

/*
 * Prints the lines of an alias file.  An internal alias stays in its service:
 * the commands of dynamodbstreams under dynamodb are external ones.
 */
static void
print_aws_alias(void)
{
	static const char *const services[] = {"dynamodb", "dynamodbstreams",
										   "lambda"};
	static const char *const commands[] = {"list-streams", "describe-stream",
										   "get-shard-iterator", "get-records"};
	char					 url[120];

	snprintf(url, sizeof(url), "http%s://%s",
			 gateway_options.tls_cert != NULL ? "s" : "",
			 gateway_options.listen[0].text);
	printf("[toplevel]\n");
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		printf("%s = --endpoint-url %s %s\n", services[i], url, services[i]);
	printf("\n[command dynamodb]\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		printf("%s = !aws --endpoint-url %s dynamodbstreams %s \"$@\"\n",
			   commands[i], url, commands[i]);
	if (fflush(stdout) != 0)
		exit(1);
	exit(0);
}

static void
check_options(bool print_alias)
{
	if (gateway_options.n_listen == 0)
		add_listen(DEFAULT_LISTEN);
	if ((gateway_options.tls_cert == NULL) != (gateway_options.tls_key == NULL))
		usage_error("HTTPS needs both.", "only one of --tls-cert and --tls-key is given");
	if (print_alias)
		print_aws_alias();
	if (gateway_options.no_auth && gateway_options.keys_file != NULL)
		usage_error("Leave one of them out.", "both --keys and --no-auth are given");
	if (!gateway_options.no_auth && gateway_options.keys_file == NULL)
		usage_error("Use --keys FILE, or --no-auth for trying out. See --help.",
					"neither --keys nor --no-auth is given");
	for (int i = 0; gateway_options.no_auth && i < gateway_options.n_listen; i++)
	{
		if (!is_loopback(&gateway_options.listen[i]))
			usage_error("Use --keys FILE, or listen on 127.0.0.1 or [::1].",
						"--no-auth is refused at %s, which is no loopback address",
						gateway_options.listen[i].text);
	}
}

void
options_parse(int argc, char **argv)
{
	bool print_alias = false;
	int	 option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":?V", long_options, NULL)) != -1)
	{
		switch (option)
		{
			case OPTION_LISTEN:
				add_listen(optarg);
				break;
			case OPTION_KEYS:
				gateway_options.keys_file = optarg;
				break;
			case OPTION_NO_AUTH:
				gateway_options.no_auth = true;
				break;
			case OPTION_SESSION_TOKENS:
				if (strcmp(optarg, "accept") != 0 && strcmp(optarg, "refuse") != 0)
					usage_error("See --help.", "--session-tokens must be accept or refuse, not \"%s\"",
								optarg);
				gateway_options.accept_session_tokens = optarg[0] == 'a';
				break;
			case OPTION_TLS_CERT:
				gateway_options.tls_cert = optarg;
				break;
			case OPTION_TLS_KEY:
				gateway_options.tls_key = optarg;
				break;
			case OPTION_CONNECTIONS:
				gateway_options.connections = parse_int("connections", optarg, 1, 1000);
				break;
			case OPTION_SHARDS:
				gateway_options.shards = parse_int("shards", optarg, 1, 1024);
				break;
			case OPTION_CLIENTS:
				gateway_options.clients = parse_int("clients", optarg, 1, 1000000);
				break;
			case OPTION_TIMEOUT:
				gateway_options.timeout = parse_int("timeout", optarg, 1, 3600);
				break;
			case OPTION_METRICS_ROLE:
				gateway_options.metrics_role = optarg;
				break;
			case OPTION_LOG_REQUESTS:
				gateway_options.log_requests = true;
				break;
			case OPTION_PRINT_AWS_ALIAS:
				print_alias = true;
				break;
			case OPTION_CHECK:
				gateway_options.check = true;
				break;
			case 'V':
				puts(PROGRAM_NAME " (ddbstreams) " GATEWAY_VERSION);
				exit(0);
			case ':':
				usage_error("See --help.", "option \"%s\" needs a value", argv[optind - 1]);
			default:
				/* getopt's own character for an unknown option is '?', too */
				if (strcmp(argv[optind - 1], "--help") == 0 ||
					strcmp(argv[optind - 1], "-?") == 0)
				{
					fputs(help, stdout);
					exit(0);
				}
				usage_error("See --help.", "unknown option \"%s\"", argv[optind - 1]);
		}
	}
	if (optind < argc)
		gateway_options.conninfo = argv[optind++];
	if (optind < argc)
		usage_error("Quote a connection string that has blanks.",
					"too many arguments, the first is \"%s\"", argv[optind]);
	check_options(print_alias);
}
