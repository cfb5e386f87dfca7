/*
 * record_decode.h
 *	  From a record back to the row's values, and to typed JSON.
 */
#ifndef DDBSTREAMS_RECORD_DECODE_H
#define DDBSTREAMS_RECORD_DECODE_H

#include "base/ddbstreams.h"

#include "lib/stringinfo.h"
#include "registry/row_descriptor.h"
#include "registry/shard_catalog.h"
#include "shard/shard_reader.h"

/* The values of one image; NULL values if the record does not have it */
typedef struct DecodedImage
{
	Datum *values;
	bool  *nulls;
} DecodedImage;

/* Where the text of a column lies that an image has been appended with */
typedef struct ShownColumn
{
	int	  start; /* of "name":value */
	int	  length;
	int64 size; /* by the item-size rules */
} ShownColumn;

typedef struct RecordDecoder
{
	const ShardInfo		*shard;
	Snapshot			 snapshot;
	MemoryContext		 own_context; /* the decoder is in it */
	MemoryContext		 context;	  /* what one record needs; reset for the next */
	Relation			 side;		  /* the side table; NULL until it is needed */
	StoredDescriptor	*stored;	  /* pinned, or NULL */
	const RowDescriptor *descriptor;  /* the same */
	uint64				 transaction_id;
	RecordEvent			 event;
	const char			*identity; /* type:principalId, not terminated, or NULL */
	int					 identity_length;
	bool				 has_old; /* whether an old image is shown */
	bool				 has_new;
	DecodedImage		 old;
	DecodedImage		 new;
	DecodedImage		*keyed;		  /* the image that has the key */
	const uint8			*same;		  /* bits of columns that both images share, or NULL */
	Size				 images_size; /* of those appended so far, as jsonb */

	/* The image that was appended first, from which others are copied */
	const DecodedImage *shown_image; /* NULL if there is none */
	const char		   *shown_text;	 /* what it was appended to */
	ShownColumn		   *shown;		 /* its columns */
	bool				is_quick;	 /* values may be written by quick_value_put */

	/* Arrays with room for the columns of a descriptor: array_room of them */
	int			 array_room;
	DecodedImage arrays[2]; /* of the old and of the new image */
} RecordDecoder;

/*
 * Makes a decoder for the records of one shard, in CurrentMemoryContext.  The
 * snapshot is the reader's.
 */
extern RecordDecoder *record_decoder_create(const ShardInfo *shard,
											Snapshot		 snapshot);

/*
 * Decodes a record.  The values are good until the next call, and as long as
 * the record is.
 */
extern void record_decode(RecordDecoder *decoder, const ShardRecord *record);

/*
 * Returns a value of a varlena column as it was, fetched from the side table
 * if it is there; it may be compressed.  It is good until the next record.
 */
extern Datum record_decoder_value(RecordDecoder *decoder, Datum value);

extern void record_decoder_close(RecordDecoder *decoder);

/* Returns AWS's name of an event, a constant. */
extern const char *record_decode_event_name(RecordEvent event);

/*
 * Appends the identity, which there is, as a JSON object with these names of
 * its members.
 */
extern void record_decode_append_identity(const RecordDecoder *decoder,
										  StringInfo		   buf,
										  const char		  *type_name,
										  const char		  *principal_name);

/*
 * Each appends a JSON object and returns its size by the item-size rules.
 * Values for which jsonb has no room beside what was appended before, for the
 * same record, become markers.  What the image that was appended first has in
 * common with the other one, or with the keys, is copied from its text: until
 * the next record is decoded it must stay where it is, so that what comes
 * after it goes to another buffer.
 */
extern int64 record_decode_append_keys(RecordDecoder *decoder, StringInfo buf);
extern int64 record_decode_append_old_image(RecordDecoder *decoder, StringInfo buf);
extern int64 record_decode_append_new_image(RecordDecoder *decoder, StringInfo buf);

#endif /* DDBSTREAMS_RECORD_DECODE_H */
