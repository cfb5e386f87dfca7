/*
 * sigv4.c
 *	  AWS Signature Version 4: is a request signed with a secret?
 *
 * The order of the checks, and their texts, are those of DynamoDB.
 *
 * Clients differ in how they sign what they send.  The path counts as it was
 * received, percent-encoded once more; AWS's own documents let a client remove
 * dot segments and double slashes before.  The query counts as its raw pieces
 * in order; a client may have signed an encoded form of what it sent plain.
 * sigv4_verify tries each of these forms that differs from the others: all of
 * them name the request that was received, so that none lets another one in.
 */
#define _GNU_SOURCE /* timegm */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "gateway/sigv4.h"
#include "gateway/text_buffer.h"

#define ALGORITHM	"AWS4-HMAC-SHA256"
#define TERMINATOR	"aws4_request"
#define DIGEST_SIZE 32
#define HEX_SIZE	(2 * DIGEST_SIZE + 1)
#define MAX_PIECES	256 /* of a query, and signed headers */

/* A part of a query: name and value, not terminated */
typedef struct QueryPiece
{
	const char *name;
	size_t		name_length;
	const char *value;
	size_t		value_length;
} QueryPiece;

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
	if (strcmp(parts[4], TERMINATOR) != 0)
		text_append_format(&text,
						   "Credential should be scoped with a valid terminator: '" TERMINATOR "', not '%s'. ",
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
	if (strcmp(algorithm, ALGORITHM) != 0)
	{
		TextBuffer text;

		text_init(&text);
		text_append_format(&text,
						   "Unsupported AWS 'algorithm': '%s' (only " ALGORITHM " for now). ",
						   algorithm);
		return reject_buffer(auth, SIGV4_INCOMPLETE_SIGNATURE, &text);
	}
	return parse_credential((char *) auth->access_key, service, auth);
}

/* --- the canonical request ---------------------------------------------- */

static bool
is_unreserved(unsigned char c)
{
	return isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* Appends text percent-encoded; also names a character that stays. */
static void
append_encoded(TextBuffer *buffer, const char *text, size_t length, char also)
{
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (is_unreserved(c) || c == (unsigned char) also)
			text_append_char(buffer, (char) c);
		else
			text_append_format(buffer, "%%%02X", c);
	}
}

/*
 * Removes dot segments and empty segments, as RFC 3986 and AWS's documents
 * have it.  Returns a malloc'd path, or NULL.
 */
static char *
normalize_path(const char *path)
{
	char  *result = malloc(strlen(path) + 2);
	size_t length = 0;

	if (result == NULL)
		return NULL;
	while (*path != '\0')
	{
		size_t segment;

		while (*path == '/')
			path++;
		segment = strcspn(path, "/");
		if (segment == 2 && strncmp(path, "..", 2) == 0)
		{
			while (length > 0 && result[--length] != '/')
				;
		}
		else if (segment > 0 && !(segment == 1 && path[0] == '.'))
		{
			result[length++] = '/';
			memcpy(result + length, path, segment);
			length += segment;
		}
		path += segment;
		/* A slash at the end stays. */
		if (path[0] == '/' && path[strspn(path, "/")] == '\0')
		{
			result[length++] = '/';
			break;
		}
	}
	if (length == 0)
		result[length++] = '/';
	result[length] = '\0';
	return result;
}

static int
compare_parts(const char *a, size_t a_length, const char *b, size_t b_length)
{
	int order = memcmp(a, b, a_length < b_length ? a_length : b_length);

	if (order != 0)
		return order;
	return (a_length > b_length) - (a_length < b_length);
}

static int
compare_pieces(const void *a, const void *b)
{
	const QueryPiece *left = a;
	const QueryPiece *right = b;
	int				  order = compare_parts(left->name, left->name_length,
											right->name, right->name_length);

	return order != 0 ? order :
						compare_parts(left->value, left->value_length,
									  right->value, right->value_length);
}

/*
 * Appends the pieces of a query in their order; encode: what is neither
 * unreserved nor encoded is encoded.  False if there are too many.
 */
static bool
append_query(TextBuffer *buffer, const char *query, bool encode)
{
	QueryPiece pieces[MAX_PIECES];
	int		   count = 0;

	while (*query != '\0')
	{
		size_t		length = strcspn(query, "&");
		const char *equals = memchr(query, '=', length);

		if (length > 0)
		{
			QueryPiece *piece = &pieces[count];

			if (count++ == MAX_PIECES)
				return false;
			piece->name = query;
			piece->name_length = equals != NULL ? (size_t) (equals - query) : length;
			piece->value = equals != NULL ? equals + 1 : query + length;
			piece->value_length = (size_t) (query + length - piece->value);
		}
		query += length + (query[length] == '&');
	}
	qsort(pieces, (size_t) count, sizeof(QueryPiece), compare_pieces);
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			text_append_char(buffer, '&');
		if (encode)
			append_encoded(buffer, pieces[i].name, pieces[i].name_length, '%');
		else
			text_append_bytes(buffer, pieces[i].name, pieces[i].name_length);
		text_append_char(buffer, '=');
		if (encode)
			append_encoded(buffer, pieces[i].value, pieces[i].value_length, '%');
		else
			text_append_bytes(buffer, pieces[i].value, pieces[i].value_length);
	}
	return true;
}

/* Appends a header's value without outer blanks, inner runs as one blank. */
static void
append_header_value(TextBuffer *buffer, const char *value)
{
	bool is_first = true;

	while (*value != '\0')
	{
		size_t length;

		value += strspn(value, " \t");
		length = strcspn(value, " \t");
		if (length == 0)
			break;
		if (!is_first)
			text_append_char(buffer, ' ');
		text_append_bytes(buffer, value, length);
		is_first = false;
		value += length;
	}
}

/* Appends the signed headers, one a line, and then their names. */
static void
append_headers(TextBuffer *buffer, const Sigv4Request *request,
			   const Sigv4Authorization *auth)
{
	const char *list = auth->signed_headers;
	int			count = 0;

	while (*list != '\0' && count++ < MAX_PIECES)
	{
		size_t length = strcspn(list, ";");
		bool   is_first = true;

		for (size_t i = 0; i < length; i++)
			text_append_char(buffer, (char) tolower((unsigned char) list[i]));
		text_append_char(buffer, ':');
		for (size_t i = 0; i < request->n_headers; i++)
		{
			const Sigv4Header *header = &request->headers[i];

			if (strlen(header->name) != length ||
				strncasecmp(header->name, list, length) != 0)
				continue;
			if (!is_first)
				text_append_char(buffer, ',');
			is_first = false;
			append_header_value(buffer, header->value);
		}
		text_append_char(buffer, '\n');
		list += length + (list[length] == ';');
	}
	text_append_char(buffer, '\n');
	for (list = auth->signed_headers; *list != '\0'; list++)
		text_append_char(buffer, (char) tolower((unsigned char) *list));
}

static void
sha256_hex(const char *data, size_t length, char *hex)
{
	unsigned char digest[DIGEST_SIZE];

	memset(digest, 0, sizeof(digest));
	EVP_Digest(data, length, digest, NULL, EVP_sha256(), NULL);
	for (int i = 0; i < DIGEST_SIZE; i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
}

static bool
hmac(const unsigned char *key, size_t key_length, const char *data,
	 unsigned char *digest)
{
	unsigned int length = DIGEST_SIZE;

	return HMAC(EVP_sha256(), key, (int) key_length,
				(const unsigned char *) data, strlen(data), digest,
				&length) != NULL;
}

/* Computes the signature of a canonical request. */
static bool
compute_signature(const Sigv4Authorization *auth, const char *secret,
				  const char *canonical, char *hex)
{
	unsigned char digest[DIGEST_SIZE];
	char		  hash[HEX_SIZE];
	TextBuffer	  text;
	bool		  done;

	sha256_hex(canonical, strlen(canonical), hash);
	text_init(&text);
	text_append_format(&text, "AWS4%s", secret);
	done = hmac((unsigned char *) text.data, text.length, auth->scope_date, digest) &&
		   hmac(digest, DIGEST_SIZE, auth->region, digest) &&
		   hmac(digest, DIGEST_SIZE, auth->service, digest) &&
		   hmac(digest, DIGEST_SIZE, TERMINATOR, digest);
	OPENSSL_cleanse(text.data, text.length);
	text_reset(&text);
	text_append_format(&text, ALGORITHM "\n%s\n%s/%s/%s/" TERMINATOR "\n%s",
					   auth->timestamp, auth->scope_date, auth->region,
					   auth->service, hash);
	done = done && !text_is_broken(&text) &&
		   hmac(digest, DIGEST_SIZE, text.data, digest);
	text_free(&text);
	for (int i = 0; i < DIGEST_SIZE; i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
	return done;
}

/* Is this the signature, with one form of path and query? */
static bool
verify_form(const Sigv4Request *request, const Sigv4Authorization *auth,
			const char *secret, const char *body_hash, const char *path,
			bool encode_query)
{
	TextBuffer canonical;
	char	   expected[HEX_SIZE];
	bool	   matches;

	text_init(&canonical);
	text_append_format(&canonical, "%s\n", request->method);
	append_encoded(&canonical, path, strlen(path), '/');
	text_append_char(&canonical, '\n');
	matches = request->query == NULL ||
			  append_query(&canonical, request->query, encode_query);
	text_append_char(&canonical, '\n');
	append_headers(&canonical, request, auth);
	text_append_format(&canonical, "\n%s", body_hash);
	matches = matches && !text_is_broken(&canonical) &&
			  compute_signature(auth, secret, canonical.data, expected) &&
			  strlen(auth->signature) == HEX_SIZE - 1 &&
			  CRYPTO_memcmp(expected, auth->signature, HEX_SIZE - 1) == 0;
	text_free(&canonical);
	return matches;
}

/* Does a query have characters that a signer may have encoded? */
static bool
may_be_encoded(const char *query)
{
	for (; query != NULL && *query != '\0'; query++)
	{
		if (!is_unreserved((unsigned char) *query) && strchr("%&=", *query) == NULL)
			return true;
	}
	return false;
}

bool
sigv4_verify(const Sigv4Request *request, const Sigv4Authorization *auth,
			 const char *secret)
{
	const char *claimed = sigv4_header(request, "X-Amz-Content-Sha256");
	bool		other_query = may_be_encoded(request->query);
	char	   *other_path = normalize_path(request->path);
	char		body_hash[HEX_SIZE];
	bool		matches;

	sha256_hex(request->body, request->body_length, body_hash);
	if (other_path != NULL && strcmp(other_path, request->path) == 0)
	{
		free(other_path);
		other_path = NULL;
	}
	matches = verify_form(request, auth, secret, body_hash, request->path, false) ||
			  (other_query &&
			   verify_form(request, auth, secret, body_hash, request->path, true)) ||
			  (other_path != NULL &&
			   verify_form(request, auth, secret, body_hash, other_path, false)) ||
			  (other_path != NULL && other_query &&
			   verify_form(request, auth, secret, body_hash, other_path, true));
	free(other_path);
	return matches && (claimed == NULL || strcasecmp(claimed, body_hash) == 0);
}
