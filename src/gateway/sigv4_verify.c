/*
 * sigv4_verify.c
 *	  AWS Signature Version 4: was a request signed with this secret?
 *
 * Clients differ in how they sign what they send.  The path counts as it was
 * received, percent-encoded once more; AWS's own documents let a client remove
 * dot segments and double slashes before.  The query counts as its raw pieces
 * in order; a client may have signed an encoded form of what it sent plain.
 * sigv4_verify tries each of these forms that differs from the others: all of
 * them name the request that was received, so that none lets another one in.
 */
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "gateway/sigv4_verify.h"
#include "gateway/text_buffer.h"

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

/*
 * Looking an algorithm up takes OpenSSL longer than a short text takes it: it
 * is done once, and each thread keeps a context.
 */
static pthread_once_t are_fetched = PTHREAD_ONCE_INIT;
static EVP_MD		 *sha256;
static EVP_MAC		 *hmac_algorithm;
static pthread_key_t  hmac_context;

static void
free_context(void *context)
{
	EVP_MAC_CTX_free(context);
}

static void
fetch_algorithms(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (pthread_key_create(&hmac_context, free_context) == 0)
		hmac_algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
}

/* Computes a hash in hexadecimal digits; false if that fails. */
static bool
sha256_hex(const char *data, size_t length, char *hex)
{
	unsigned char digest[DIGEST_SIZE];

	pthread_once(&are_fetched, fetch_algorithms);
	if (sha256 == NULL || EVP_Digest(data, length, digest, NULL, sha256, NULL) != 1)
		return false;
	for (int i = 0; i < DIGEST_SIZE; i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
	return true;
}

/* Returns this thread's context, which is made when it is first needed. */
static EVP_MAC_CTX *
get_hmac_context(void)
{
	char		 digest[] = "SHA256";
	OSSL_PARAM	 params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
							 OSSL_PARAM_construct_end()};
	EVP_MAC_CTX *context;

	pthread_once(&are_fetched, fetch_algorithms);
	if (hmac_algorithm == NULL)
		return NULL;
	context = pthread_getspecific(hmac_context);
	if (context != NULL)
		return context;
	context = EVP_MAC_CTX_new(hmac_algorithm);
	if (context == NULL || EVP_MAC_CTX_set_params(context, params) != 1 ||
		pthread_setspecific(hmac_context, context) != 0)
	{
		EVP_MAC_CTX_free(context);
		return NULL;
	}
	return context;
}

static bool
hmac(const unsigned char *key, size_t key_length, const char *data,
	 unsigned char *digest)
{
	EVP_MAC_CTX *context = get_hmac_context();
	size_t		 length = DIGEST_SIZE;

	return context != NULL &&
		   EVP_MAC_init(context, key, key_length, NULL) == 1 &&
		   EVP_MAC_update(context, (const unsigned char *) data, strlen(data)) == 1 &&
		   EVP_MAC_final(context, digest, &length, DIGEST_SIZE) == 1;
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

	if (!sha256_hex(canonical, strlen(canonical), hash))
		return false;
	text_init(&text);
	text_append_format(&text, "AWS4%s", secret);
	done = hmac((unsigned char *) text.data, text.length, auth->scope_date, digest) &&
		   hmac(digest, DIGEST_SIZE, auth->region, digest) &&
		   hmac(digest, DIGEST_SIZE, auth->service, digest) &&
		   hmac(digest, DIGEST_SIZE, SIGV4_TERMINATOR, digest);
	OPENSSL_cleanse(text.data, text.length);
	text_reset(&text);
	text_append_format(&text, SIGV4_ALGORITHM "\n%s\n%s/%s/%s/" SIGV4_TERMINATOR "\n%s",
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

	if (!sha256_hex(request->body, request->body_length, body_hash))
	{
		free(other_path);
		return false;
	}
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
