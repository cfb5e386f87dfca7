/*
 * sigv4_check.c
 *	  Says what src/gateway/sigv4.c makes of a request.
 *
 *	sigv4_check NOW SERVICE SECRET < REQUEST
 *
 * NOW is a time in seconds since 1970.  REQUEST is as on the wire, with line
 * feeds alone: request line, headers, an empty line, body.  Prints "ok", or the
 * verdict and the text of the error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/sigv4.h"
#include "gateway/sigv4_verify.h"

#define MAX_HEADERS 100

static char		   text[1024 * 1024];
static Sigv4Header headers[MAX_HEADERS];

/* Takes a line off the text. */
static char *
take_line(char **rest)
{
	char *line = *rest;
	char *end = strchr(line, '\n');

	if (end == NULL)
		end = line + strlen(line);
	*rest = end + (*end != '\0');
	*end = '\0';
	return line;
}

int
main(int argc, char **argv)
{
	static const char *const verdicts[] = {"ok", "missing", "incomplete", "invalid"};
	Sigv4Request			 request = {.headers = headers};
	Sigv4Authorization		 auth;
	Sigv4Verdict			 verdict;
	char					*rest = text;
	char					*line;
	char					*version;

	if (argc != 4 || fread(text, 1, sizeof(text) - 1, stdin) == 0)
		return 2;
	/* A path may have blanks: the method ends at the first, the path at the last. */
	line = take_line(&rest);
	version = strrchr(line, ' ');
	*version = '\0';
	request.method = strtok(line, " ");
	request.path = strtok(NULL, "");
	request.query = strchr(request.path, '?');
	if (request.query != NULL)
		*(char *) request.query++ = '\0';
	while (*(line = take_line(&rest)) != '\0')
	{
		char *colon = strchr(line, ':');

		*colon = '\0';
		headers[request.n_headers].name = line;
		headers[request.n_headers++].value = colon + 1;
	}
	request.body = rest;
	request.body_length = strlen(rest);

	verdict = sigv4_parse(&request, argv[2], (time_t) atol(argv[1]), &auth);
	if (verdict != SIGV4_OK)
		printf("%s: %s\n", verdicts[verdict], auth.message);
	else
		puts(sigv4_verify(&request, &auth, argv[3]) ? "ok" : "wrong");
	sigv4_free(&auth);
	return 0;
}
