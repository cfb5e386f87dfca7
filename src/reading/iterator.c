/*
 * iterator.c
 *	  Shard iterators: a position in a shard, signed, for clients to keep.
 *
 * An iterator reads <stream ARN>|1|<base64>.  The base64 part encodes a
 * payload with a signature of ARN and payload.  The payload holds a position
 * in the shard, never an offset in a file: an iterator is good after VACUUM
 * FULL and on a standby.
 *
 * Each row of get_records has an iterator, so that a signature must be cheap.
 * The iterators of a page are issued at one time for one shard; what they
 * share is signed by an HMAC-SHA-256 with the installation's secret as the
 * key.  That signature is shown to nobody: it is the key under which SipHash
 * signs what the rows do not share.
 *
 * Versions before 1.1 signed each iterator by an HMAC of its own, which is
 * longer.  Those are accepted for as long as they live.
 */
#include "postgres.h"

#include "common/base64.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "port/pg_bswap.h"
#include "utils/timestamp.h"

#include "base/base64_text.h"
#include "base/errors.h"
#include "base/settings.h"
#include "base/siphash.h"
#include "reading/iterator.h"
#include "reading/stream_access.h"
#include "registry/catalog_table.h"

#define ITERATOR_MAX_LENGTH 2048
#define ITERATOR_SEPARATOR	"|1|"

/* What iterators have in front.  Numbers are in network byte order. */
typedef struct IteratorPayload
{
	uint64 issued; /* microseconds since 2000-01-01 */
	uint64 shard_no;
	uint64 position;
	uint8  kind;
} IteratorPayload;

/* There is no padding in what is encoded. */
#define SHARED_LENGTH  offsetof(IteratorPayload, position)
#define PAYLOAD_LENGTH (offsetof(IteratorPayload, kind) + sizeof(uint8))

/* An iterator; the byte between payload and signature is zero. */
#define SIGNATURE_OFFSET (PAYLOAD_LENGTH + 1)
#define BYTES_LENGTH	 (SIGNATURE_OFFSET + SIPHASH_LENGTH)
#define ENCODED_LENGTH	 (BYTES_LENGTH / 3 * 4)

/* What is encoded once for all iterators of a writer */
#define BEGIN_LENGTH (SHARED_LENGTH / 3 * 3)

/* An iterator of a version before 1.1 */
#define OLD_BYTES_LENGTH   (PAYLOAD_LENGTH + PG_SHA256_DIGEST_LENGTH)
#define OLD_ENCODED_LENGTH (OLD_BYTES_LENGTH / 3 * 4)

/*
 * Base64 with padding has bits that mean nothing: a text could be altered in
 * them and still decode to the same bytes.
 */
StaticAssertDecl(BYTES_LENGTH % 3 == 0, "base64 of an iterator has padding");
StaticAssertDecl(OLD_BYTES_LENGTH % 3 == 0, "base64 of an old iterator has padding");

/*
 * Computes an HMAC of an ARN and of bytes behind it.  No two messages that are
 * signed so are the same: an ARN has no zero byte, and begins what both have;
 * the bytes of an old iterator are a payload, and those that make a key are
 * fewer.
 */
static void
sign_by_secret(const char *arn, size_t arn_length, const void *bytes,
			   size_t length, uint8 *mac)
{
	bytea		*secret = catalog_table_secret();
	pg_hmac_ctx *hmac = pg_hmac_create(PG_SHA256);

	if (hmac == NULL ||
		pg_hmac_init(hmac, (uint8 *) VARDATA_ANY(secret),
					 VARSIZE_ANY_EXHDR(secret)) < 0 ||
		pg_hmac_update(hmac, (const uint8 *) arn, arn_length) < 0 ||
		pg_hmac_update(hmac, bytes, length) < 0 ||
		pg_hmac_final(hmac, mac, PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not sign a shard iterator");
	pg_hmac_free(hmac);
}

/* Makes the key for the iterators that share the beginning of a payload. */
static void
make_key(const char *arn, size_t arn_length, const uint8 *payload, uint8 *key)
{
	uint8 mac[PG_SHA256_DIGEST_LENGTH];

	sign_by_secret(arn, arn_length, payload, SHARED_LENGTH, mac);
	memcpy(key, mac, SIPHASH_KEY_LENGTH);
}

/* Signs what comes behind the shared beginning of an iterator. */
static void
sign_rest(const uint8 *key, const uint8 *bytes, uint8 *signature)
{
	siphash_sign(key, bytes + SHARED_LENGTH, SIGNATURE_OFFSET - SHARED_LENGTH,
				 signature);
}

void
iterator_writer_init(IteratorWriter *writer, const StreamInfo *stream,
					 const ShardInfo *shard)
{
	initStringInfo(&writer->text);
	appendStringInfoString(&writer->text, stream->arn);
	writer->arn_length = writer->text.len;
	appendStringInfoString(&writer->text, ITERATOR_SEPARATOR);
	writer->prefix_length = writer->text.len;
	writer->shard_no = shard->shard_no;
	writer->has_key = false;
}

/*
 * Begins the text of all iterators, and makes the key that signs them.  What
 * is encoded here is whole groups of three bytes of what they share.
 */
static void
begin_encoded(IteratorWriter *writer, const uint8 *bytes)
{
	StringInfo text = &writer->text;

	make_key(text->data, writer->arn_length, bytes, writer->key);
	writer->has_key = true;
	enlargeStringInfo(text, ENCODED_LENGTH);
	(void) base64_text_put(text->data + writer->prefix_length, bytes, BEGIN_LENGTH);
}

const char *
iterator_writer_write(IteratorWriter *writer, IteratorKind kind, int64 position)
{
	StringInfo		text = &writer->text;
	IteratorPayload payload;
	uint8			bytes[BYTES_LENGTH] = {0};
	char		   *end;

	if (!writer->has_key)
		writer->issued = GetCurrentTimestamp();
	memset(&payload, 0, sizeof(payload));
	payload.issued = pg_hton64((uint64) writer->issued);
	payload.shard_no = pg_hton64((uint64) writer->shard_no);
	payload.position = pg_hton64((uint64) position);
	payload.kind = kind;
	memcpy(bytes, &payload, PAYLOAD_LENGTH);
	if (!writer->has_key)
		begin_encoded(writer, bytes);
	sign_rest(writer->key, bytes, bytes + SIGNATURE_OFFSET);

	end = base64_text_put(text->data + writer->prefix_length +
							  BASE64_TEXT_LENGTH(BEGIN_LENGTH),
						  bytes + BEGIN_LENGTH, BYTES_LENGTH - BEGIN_LENGTH);
	*end = '\0';
	text->len = (int) (end - text->data);
	return text->data;
}

static void
invalid_iterator(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("Invalid ShardIterator"),
			 errdetail("%s", detail),
			 errhint("Get one from ddbstreams.get_shard_iterator, and hand it in unchanged.")));
}

/* Raises the error for a text that does not have an iterator's form. */
static void
not_an_iterator(const char *text)
{
	if (strstr(text, ITERATOR_SEPARATOR) == NULL && stream_access_is_arn(text))
		invalid_iterator("This is the ARN of a stream.");
	if (strncmp(text, "shardId-", strlen("shardId-")) == 0)
		invalid_iterator("This is the id of a shard.");
	if (OidIsValid(stream_access_named_relation(text)))
		invalid_iterator("This is the name of a table.");
	invalid_iterator("The text does not have the form of an iterator: a part of it may be missing.");
}

/* Raises the error for an iterator that this database has not signed so. */
static void
wrong_signature(const char *arn, Snapshot snapshot)
{
	if (stream_catalog_by_arn(arn, snapshot) == NULL)
		invalid_iterator("Its stream is not in this database: another one has issued it, or it was altered.");
	invalid_iterator("It was altered, or another database has issued it.");
}

/* Finds the last separator: the name of the table may contain one, too. */
static const char *
find_separator(const char *text)
{
	const char *found = NULL;

	for (const char *next = strstr(text, ITERATOR_SEPARATOR); next != NULL;
		 next = strstr(next + 1, ITERATOR_SEPARATOR))
		found = next;
	return found;
}

/* Compares in a time that does not tell where two signatures differ. */
static bool
signatures_are_equal(const uint8 *a, const uint8 *b, size_t length)
{
	uint8 difference = 0;

	for (size_t i = 0; i < length; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

/* Are the bytes of an iterator signed by this database? */
static bool
is_signed(const char *arn, size_t arn_length, const uint8 *bytes, size_t length)
{
	uint8 signature[PG_SHA256_DIGEST_LENGTH];
	uint8 key[SIPHASH_KEY_LENGTH];

	if (length == OLD_BYTES_LENGTH)
	{
		sign_by_secret(arn, arn_length, bytes, PAYLOAD_LENGTH, signature);
		return signatures_are_equal(signature, bytes + PAYLOAD_LENGTH,
									PG_SHA256_DIGEST_LENGTH);
	}
	make_key(arn, arn_length, bytes, key);
	sign_rest(key, bytes, signature);
	return signatures_are_equal(signature, bytes + SIGNATURE_OFFSET, SIPHASH_LENGTH);
}

ShardIterator *
iterator_parse(const char *text, Snapshot snapshot)
{
	ShardIterator  *iterator;
	IteratorPayload payload;
	uint8			bytes[OLD_BYTES_LENGTH + 4];
	const char	   *separator;
	const char	   *encoded;
	size_t			length = strlen(text);
	size_t			encoded_length;
	TimestampTz		issued;

	if (length == 0)
		error_constraint(text, "shardIterator",
						 "have length greater than or equal to 1");
	if (length > ITERATOR_MAX_LENGTH)
		error_constraint(text, "shardIterator",
						 "have length less than or equal to 2048");
	separator = find_separator(text);
	if (separator == NULL)
		not_an_iterator(text);
	encoded = separator + strlen(ITERATOR_SEPARATOR);
	encoded_length = strlen(encoded);
	if ((encoded_length != ENCODED_LENGTH && encoded_length != OLD_ENCODED_LENGTH) ||
		pg_b64_decode((const void *) encoded, encoded_length,
					  (void *) bytes, sizeof(bytes)) != (int) (encoded_length / 4 * 3))
		not_an_iterator(text);
	if (!is_signed(text, separator - text, bytes, encoded_length / 4 * 3))
		wrong_signature(pnstrdup(text, separator - text), snapshot);
	memset(&payload, 0, sizeof(payload));
	memcpy(&payload, bytes, PAYLOAD_LENGTH);

	issued = (TimestampTz) pg_ntoh64(payload.issued);
	if (setting_iterator_lifetime > 0 &&
		GetCurrentTimestamp() - issued > setting_iterator_lifetime * USECS_PER_SEC)
		ereport(ERROR,
				(errcode(ERRCODE_EXPIRED_ITERATOR),
				 errmsg("Shard iterator has expired"),
				 errdetail("It is older than ddbstreams.iterator_lifetime, %d s.",
						   setting_iterator_lifetime),
				 errhint("Get a new one, AFTER_SEQUENCE_NUMBER the last record that was processed.")));

	iterator = palloc0(sizeof(ShardIterator));
	iterator->stream = stream_access_by_arn(pnstrdup(text, separator - text),
											snapshot);
	iterator->shard = stream_access_shard_by_no(iterator->stream,
												(int64) pg_ntoh64(payload.shard_no),
												snapshot);
	iterator->kind = payload.kind;
	iterator->position = (int64) pg_ntoh64(payload.position);
	return iterator;
}
