/*
 * record_page.h
 *	  One page of GetRecords: the records after an iterator, as JSON texts.
 *
 *		record_page_begin(&page, …);
 *		while (record_page_next(&page))
 *			... page.record, page.keys ...
 *		record_page_end(&page);
 */
#ifndef DDBSTREAMS_RECORD_PAGE_H
#define DDBSTREAMS_RECORD_PAGE_H

#include "base/ddbstreams.h"

#include "reading/iterator.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "shard/reader_slots.h"
#include "shard/record_decode.h"
#include "shard/shard_reader.h"
#include "storage/lock.h"

#define PAGE_MAX_RECORDS 1000
#define PAGE_MAX_BYTES	 (1024 * 1024)

#define EVENT_ID_LENGTH 32

typedef struct RecordPage
{
	ShardIterator *iterator;
	ShardReader	  *reader;
	RecordDecoder *decoder;
	IteratorWriter writer;
	LOCKTAG		   reader_slot;
	bool		   has_reader_slot;
	int			   max_records;
	int			   count;	/* of records so far */
	int64		   bytes;	/* of records so far, by the item-size rules */
	int64		   horizon; /* numbers below are out of reach */
	bool		   is_done;
	bool		   has_shard_part;
	char		   shard_part[EVENT_ID_LENGTH / 2]; /* what all event ids begin with */
	const char	  *region;							/* not terminated */
	int			   region_length;

	/* The present record; the texts are good until the next one. */
	ShardRecord	   record;
	StringInfoData keys;
	StringInfoData old_image; /* of length 0 if there is none */
	StringInfoData new_image; /* likewise */
	int64		   size_bytes;
} RecordPage;

/*
 * Begins the page after an iterator, for the current user; it is an error if
 * the iterator or max_records is bad, or if the shard has too many readers.
 * What the page needs is palloc'd in the current memory context.  It takes a
 * reader slot of the shard (reader_slots.c) and an AccessShareLock on the
 * shard's table; both are released by record_page_end or by an error.  The
 * snapshot is to be registered or active until then.
 */
extern void record_page_begin(RecordPage *page, const char *iterator,
							  int max_records, Snapshot snapshot);

/*
 * The same behind a position of a shard.  The caller has checked the right to
 * read the stream, and that the position is not below the horizon.  If all
 * reader slots are taken, it waits for one.
 */
extern void record_page_begin_at(RecordPage *page, StreamInfo *stream,
								 ShardInfo *shard, int64 position,
								 int64 horizon, int max_records,
								 Snapshot snapshot);

/*
 * Opens what reading and record_json need, for a page that is all zeros but
 * for the iterator's stream and shard.  Its records are read and decoded by
 * the caller, and have no iterators.
 */
extern void record_page_open(RecordPage *page, int64 position, ReaderKind kind,
							 Snapshot snapshot);

/*
 * Reads the next record into the page and decodes it.  Returns false at the
 * page's end: it has max_records records, the next one would not fit, or none
 * can be read now.  It is an error if the record has passed its retention.
 */
extern bool record_page_next(RecordPage *page);

/* Writes the texts of the present record anew, after record_decode. */
extern void record_page_decode_texts(RecordPage *page);

/*
 * Returns the iterator that stands behind the record that was read last, or
 * NULL if the shard is closed and no record comes after it.  The text is good
 * until the next call.
 */
extern const char *record_page_next_iterator(RecordPage *page);

extern void record_page_end(RecordPage *page);

/*
 * Writes the present record's event id to out: EVENT_ID_LENGTH hexadecimal
 * digits without a terminator, unique over all streams.
 */
extern void record_page_event_id(RecordPage *page, char *out);

#endif /* DDBSTREAMS_RECORD_PAGE_H */
