/*
 * sigv4.c
 *	  AWS Signature Version 4: what can be checked without a secret.
 *
 * The order of the checks, and their texts, are those of DynamoDB.
 */
#define _GNU_SOURCE /* timegm */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/sigv4.h"
#include "gateway/text_buffer.h"

const char *
sigv4_header(const Sigv4Request *request, const char *name)
{
	for (size_t i = 0; i < request->n_headers; i++)
	{
		if (strcasecmp(request->headers[i].name, name) == 0)
			return request->headers[i].value;
	}
	return NULL;
}

void
sigv4_free(Sigv4Authorization *auth)
{
	free(auth->copy);
	auth->copy = NULL;
}

/*
 * Writes the text of an error.  It may quote what the client sent: whatever
 * JSON would have to escape becomes a question mark.
 */
static Sigv4Verdict
reject(Sigv4Authorization *auth, Sigv4Verdict verdict, const char *text)
{
	size_t i;

	for (i = 0; text[i] != '\0' && i < SIGV4_MESSAGE_SIZE - 1; i++)
	{
		unsigned char c = (unsigned char) text[i];

		auth->message[i] = (c < ' ' || c > '~' || c == '"' || c == '\\') ?
							   '?' :
							   (char) c;
	}
	auth->message[i] = '\0';
	return verdict;
}

/* The same with a text that was made in a buffer, which is freed. */
static Sigv4Verdict
reject_buffer(Sigv4Authorization *auth, Sigv4Verdict verdict,
			  TextBuffer *text)
{
	reject(auth, verdict, text_is_broken(text) ? "" : text->data);
	text_free(text);
	return verdict;
}

/* Does a query have a parameter of this name, and with a value? */
static bool
query_has(const char *query, const char *name, bool with_value)
{
	size_t length = strlen(name);

	while (query != NULL && *query != '\0')
	{
		if (strncmp(query, name, length) == 0 &&
			(query[length] == '=' || query[length] == '&' || query[length] == '\0'))
			return !with_value ||
				   (query[length] == '=' && query[length + 1] != '&' &&
					query[length + 1] != '\0');
		query = strchr(query, '&');
		if (query != NULL)
			query++;
	}
	return false;
}

/* Names what a signature in the query lacks, or that there are none. */
static Sigv4Verdict
reject_query_signature(const Sigv4Request *request, Sigv4Authorization *auth)
{
	static const char *const names[] = {"X-Amz-Algorithm", "X-Amz-Credential",
										"X-Amz-Signature",
										"X-Amz-SignedHeaders", "X-Amz-Date"};
	TextBuffer				 text;

	text_init(&text);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		if (!query_has(request->query, names[i], true))
			text_append_format(&text,
							   "AWS query-string parameters must include '%s'. ",
							   names[i]);
	}
	if (text.length > 0)
	{
		text_append(&text, "Re-examine the query-string parameters.");
		return reject_buffer(auth, SIGV4_INCOMPLETE_SIGNATURE, &text);
	}
	text_free(&text);
	return reject(auth, SIGV4_INVALID_SIGNATURE,
				  "Signatures in the query string are not supported. Sign the request with an Authorization header.");
}

/*
 * Cuts the parameters of the header apart: Credential=..., SignedHeaders=...,
 * Signature=..., between commas or blanks.
 */
static Sigv4Verdict
parse_parameters(const char *header, char *parameters, Sigv4Authorization *auth)
{
	char *rest = NULL;

	for (char *item = strtok_r(parameters, ", \t", &rest); item != NULL;
		 item = strtok_r(NULL, ", \t", &rest))
	{
		char *value = strchr(item, '=');

		if (value == NULL)
		{
			TextBuffer text;

			text_init(&text);
			text_append_format(&text,
							   "'%s' not a valid key=value pair (missing equal-sign) in Authorization header: '%s'.",
							   item, header);
			return reject_buffer(auth, SIGV4_INCOMPLETE_SIGNATURE, &text);
		}
		*value++ = '\0';
		if (strcmp(item, "Credential") == 0)
			auth->access_key = value;
		else if (strcmp(item, "SignedHeaders") == 0)
			auth->signed_headers = value;
		else if (strcmp(item, "Signature") == 0)
			auth->signature = value;
	}
	return SIGV4_OK;
}

static Sigv4Verdict
check_parameters(const char *header, const char *date, Sigv4Authorization *auth)
{
	TextBuffer text;

	text_init(&text);
	if (auth->access_key == NULL || auth->access_key[0] == '\0')
		text_append(&text, "Authorization header requires 'Credential' parameter. ");
	if (auth->signature == NULL || auth->signature[0] == '\0')
		text_append(&text, "Authorization header requires 'Signature' parameter. ");
	if (auth->signed_headers == NULL || auth->signed_headers[0] == '\0')
		text_append(&text, "Authorization header requires 'SignedHeaders' parameter. ");
	if (date == NULL)
		text_append(&text, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ");
	if (text.length > 0)
	{
		text_append_format(&text, "Authorization=%s", header);
		return reject_buffer(auth, SIGV4_INCOMPLETE_SIGNATURE, &text);
	}
	text_free(&text);
	return SIGV4_OK;
}

static void
format_time(time_t when, char *text)
{
	struct tm broken;

	gmtime_r(&when, &broken);
	strftime(text, 17, "%Y%m%dT%H%M%SZ", &broken);
}

/*
 * Reads a time, as X-Amz-Date has it, or as the header Date may have it.
 */
static bool
parse_time(const char *text, time_t *when)
{
	struct tm	broken = {0};
	const char *end = strptime(text, "%Y%m%dT%H%M%SZ", &broken);

	if (end == NULL || *end != '\0' || strlen(text) != 16)
	{
		memset(&broken, 0, sizeof(broken));
		end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &broken);
		if (end == NULL || *end != '\0')
			return false;
	}
	*when = timegm(&broken);
	return true;
}

static Sigv4Verdict
check_date(const char *date, time_t now, Sigv4Authorization *auth)
{
	time_t	   when;
	char	   limit[17];
	char	   now_text[17];
	TextBuffer text;

	text_init(&text);
	if (!parse_time(date, &when))
	{
		text_append_format(&text,
						   "Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601",
						   date);
		return reject_buffer(auth, SIGV4_INCOMPLETE_SIGNATURE, &text);
	}
	format_time(when, auth->timestamp_copy);
	auth->timestamp = auth->timestamp_copy;
	format_time(now, now_text);
	if (when < now - SIGV4_MAX_SKEW)
	{
		format_time(now - SIGV4_MAX_SKEW, limit);
		text_append_format(&text,
						   "Signature expired: %s is now earlier than %s (%s - 15 min.)",
						   auth->timestamp, limit, now_text);
		return reject_buffer(auth, SIGV4_INVALID_SIGNATURE, &text);
	}
	if (when > now + SIGV4_MAX_SKEW)
	{
		format_time(now + SIGV4_MAX_SKEW, limit);
		text_append_format(&text,
						   "Signature not yet current: %s is still later than %s (%s + 15 min.)",
						   auth->timestamp, limit, now_text);
		return reject_buffer(auth, SIGV4_INVALID_SIGNATURE, &text);
	}
	text_free(&text);
	return SIGV4_OK;
}

/* Is a header among the signed ones? */
static bool
is_signed(const Sigv4Authorization *auth, const char *name)
{
	size_t		length = strlen(name);
	const char *list = auth->signed_headers;

	while (*list != '\0')
	{
		size_t item = strcspn(list, ";");

		if (item == length && strncasecmp(list, name, length) == 0)
			return true;
		list += item + (list[item] == ';');
	}
	return false;
}

/*
 * Cuts the credential apart: access key, date, region, service, terminator.
 * The region may be empty.
 */
static Sigv4Verdict
parse_credential(char *credential, const char *service, Sigv4Authorization *auth)
{
	char	  *parts[5];
	int		   count = 0;
	size_t	   length = strlen(credential);
	char	  *shown = strdup(credential);
	TextBuffer text;

	text_init(&text);
	while (length > 0 && credential[length - 1] == '/')
		credential[--length] = '\0';
	for (char *at = credential; at != NULL && count <= 5; count++)
	{
		char *next = strchr(at, '/');

		if (next != NULL)
			*next++ = '\0';
		if (count < 5)
			parts[count] = at;
		at = next;
	}
	if (count != 5)
	{
		text_append_format(&text,
						   "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'",
						   shown != NULL ? shown : "");
		free(shown);
		return reject_buffer(auth, SIGV4_INCOMPLETE_SIGNATURE, &text);
	}
	free(shown);
	auth->access_key = parts[0];
	auth->scope_date = parts[1];
	auth->region = parts[2];
	auth->service = parts[3];
	if (strcmp(parts[3], service) != 0)
		text_append_format(&text,
						   "Credential should be scoped to correct service: '%s'. ",
						   service);
	if (strcmp(parts[4], SIGV4_TERMINATOR) != 0)
		text_append_format(&text,
						   "Credential should be scoped with a valid terminator: '" SIGV4_TERMINATOR "', not '%s'. ",
						   parts[4]);
	if (strlen(parts[1]) != 8 || strncmp(parts[1], auth->timestamp, 8) != 0)
		text_append_format(&text,
						   "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%.8s', from '%s'.",
						   parts[1], auth->timestamp, auth->timestamp);
	if (text.length > 0)
		return reject_buffer(auth, SIGV4_INVALID_SIGNATURE, &text);
	text_free(&text);
	return SIGV4_OK;
}

Sigv4Verdict
sigv4_parse(const Sigv4Request *request, const char *service, time_t now,
			Sigv4Authorization *auth)
{
	const char	*header = sigv4_header(request, "Authorization");
	const char	*date = sigv4_header(request, "X-Amz-Date");
	char		*algorithm;
	char		*parameters;
	Sigv4Verdict verdict;

	memset(auth, 0, sizeof(*auth));
	if (query_has(request->query, "X-Amz-Algorithm", false))
	{
		if (header != NULL)
			return reject(auth, SIGV4_INVALID_SIGNATURE,
						  "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.");
		return reject_query_signature(request, auth);
	}
	if (header != NULL)
		header += strspn(header, " \t");
	if (header == NULL || strncmp(header, "AWS4-", 5) != 0)
		return reject(auth, SIGV4_MISSING_AUTHENTICATION_TOKEN,
					  "Request is missing Authentication Token");
	if (date == NULL)
		date = sigv4_header(request, "Date");

	auth->copy = strdup(header);
	if (auth->copy == NULL)
		return reject(auth, SIGV4_INCOMPLETE_SIGNATURE, "out of memory");
	algorithm = auth->copy;
	parameters = algorithm + strcspn(algorithm, " \t");
	if (*parameters != '\0')
		*parameters++ = '\0';
	if ((verdict = parse_parameters(header, parameters, auth)) != SIGV4_OK ||
		(verdict = check_parameters(header, date, auth)) != SIGV4_OK ||
		(verdict = check_date(date, now, auth)) != SIGV4_OK)
		return verdict;
	if (!is_signed(auth, "Host"))
		return reject(auth, SIGV4_INVALID_SIGNATURE,
					  "'Host' must be a 'SignedHeader' in the AWS Authorization.");
	/* Otherwise a recorded request could be sent again as another operation. */
	if (sigv4_header(request, "X-Amz-Target") != NULL &&
		!is_signed(auth, "X-Amz-Target"))
		return reject(auth, SIGV4_INVALID_SIGNATURE,
					  "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization.");
	if (strcmp(algorithm, SIGV4_ALGORITHM) != 0)
	{
		TextBuffer text;

		text_init(&text);
		text_append_format(&text,
						   "Unsupported AWS 'algorithm': '%s' (only " SIGV4_ALGORITHM " for now). ",
						   algorithm);
		return reject_buffer(auth, SIGV4_INCOMPLETE_SIGNATURE, &text);
	}
	return parse_credential((char *) auth->access_key, service, auth);
}
