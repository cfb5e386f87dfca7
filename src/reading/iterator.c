/*
 * iterator.c
 *	  Shard iterators: a position in a shard, signed, for clients to keep.
 *
 * An iterator reads <stream ARN>|1|<base64>.  The base64 part encodes a
 * payload and the HMAC-SHA-256 of ARN and payload, with the installation's
 * secret as the key.  The payload holds a position in the shard, never an
 * offset in a file: an iterator is good after VACUUM FULL and on a standby.
 */
#include "postgres.h"

#include "common/base64.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "port/pg_bswap.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/settings.h"
#include "reading/iterator.h"
#include "reading/stream_access.h"
#include "registry/catalog_table.h"

#define ITERATOR_MAX_LENGTH 2048
#define ITERATOR_SEPARATOR	"|1|"

/* Numbers are in network byte order; there is no padding. */
typedef struct IteratorPayload
{
	uint64 issued; /* microseconds since 2000-01-01 */
	uint64 shard_no;
	uint64 position;
	uint8  kind;
	uint8  mac[PG_SHA256_DIGEST_LENGTH];
} IteratorPayload;

#define SIGNED_LENGTH  offsetof(IteratorPayload, mac)
#define PAYLOAD_LENGTH (offsetof(IteratorPayload, mac) + PG_SHA256_DIGEST_LENGTH)
#define ENCODED_LENGTH (PAYLOAD_LENGTH / 3 * 4)

/*
 * Base64 with padding has bits that mean nothing: a text could be altered in
 * them and still decode to the same payload.
 */
StaticAssertDecl(PAYLOAD_LENGTH % 3 == 0, "base64 of a payload has padding");

/* Computes the MAC of an ARN and a payload. */
static void
sign_payload(pg_hmac_ctx *hmac, bytea *secret, const char *arn, size_t arn_length,
			 const IteratorPayload *payload, uint8 *mac)
{
	if (hmac == NULL ||
		pg_hmac_init(hmac, (uint8 *) VARDATA_ANY(secret),
					 VARSIZE_ANY_EXHDR(secret)) < 0 ||
		pg_hmac_update(hmac, (const uint8 *) arn, arn_length) < 0 ||
		pg_hmac_update(hmac, (const uint8 *) payload, SIGNED_LENGTH) < 0 ||
		pg_hmac_final(hmac, mac, PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not sign a shard iterator");
}

void
iterator_writer_init(IteratorWriter *writer, const StreamInfo *stream,
					 const ShardInfo *shard)
{
	initStringInfo(&writer->text);
	appendStringInfoString(&writer->text, stream->arn);
	appendStringInfoString(&writer->text, ITERATOR_SEPARATOR);
	writer->prefix_length = writer->text.len;
	writer->shard_no = shard->shard_no;
	writer->secret = catalog_table_secret();
	writer->hmac = pg_hmac_create(PG_SHA256);
}

void
iterator_writer_end(IteratorWriter *writer)
{
	pg_hmac_free(writer->hmac);
	writer->hmac = NULL;
}

const char *
iterator_writer_write(IteratorWriter *writer, IteratorKind kind, int64 position)
{
	StringInfo		text = &writer->text;
	IteratorPayload payload;
	int				room = pg_b64_enc_len(PAYLOAD_LENGTH);
	int				length;

	memset(&payload, 0, sizeof(payload));
	payload.issued = pg_hton64((uint64) GetCurrentTimestamp());
	payload.shard_no = pg_hton64((uint64) writer->shard_no);
	payload.position = pg_hton64((uint64) position);
	payload.kind = kind;
	sign_payload(writer->hmac, writer->secret, text->data,
				 writer->prefix_length - strlen(ITERATOR_SEPARATOR), &payload,
				 payload.mac);

	text->len = writer->prefix_length;
	enlargeStringInfo(text, room + 1);
	length = pg_b64_encode((const void *) &payload, PAYLOAD_LENGTH,
						   (void *) (text->data + text->len), room);
	if (length < 0)
		elog(ERROR, "could not encode a shard iterator");
	text->len += length;
	text->data[text->len] = '\0';
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

/* Compares in a time that does not tell where two MACs differ. */
static bool
macs_are_equal(const uint8 *a, const uint8 *b)
{
	uint8 difference = 0;

	for (int i = 0; i < PG_SHA256_DIGEST_LENGTH; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

ShardIterator *
iterator_parse(const char *text, Snapshot snapshot)
{
	ShardIterator  *iterator;
	IteratorPayload payload;
	uint8			mac[PG_SHA256_DIGEST_LENGTH];
	uint8			decoded[PAYLOAD_LENGTH + 4];
	const char	   *separator;
	const char	   *encoded;
	size_t			length = strlen(text);
	TimestampTz		issued;
	pg_hmac_ctx	   *hmac;

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
	if (strlen(encoded) != ENCODED_LENGTH ||
		pg_b64_decode((const void *) encoded, strlen(encoded),
					  (void *) decoded, sizeof(decoded)) != PAYLOAD_LENGTH)
		not_an_iterator(text);
	memset(&payload, 0, sizeof(payload));
	memcpy(&payload, decoded, PAYLOAD_LENGTH);

	hmac = pg_hmac_create(PG_SHA256);
	sign_payload(hmac, catalog_table_secret(), text, separator - text, &payload, mac);
	pg_hmac_free(hmac);
	if (!macs_are_equal(mac, payload.mac))
		wrong_signature(pnstrdup(text, separator - text), snapshot);

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
