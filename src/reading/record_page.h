/*
 * record_page.h
 *	  One page of GetRecords: the records after an iterator, as JSON texts.
 */
#ifndef DDBSTREAMS_RECORD_PAGE_H
#define DDBSTREAMS_RECORD_PAGE_H

#include "base/ddbstreams.h"

#include "reading/iterator.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "shard/record_decode.h"
#include "shard/shard_reader.h"
#include "storage/lock.h"

#define PAGE_MAX_RECORDS 1000
#define PAGE_MAX_BYTES	 (1024 * 1024)

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

	/* The present record: its texts are good until the next one */
	ShardRecord	   record;
	StringInfoData keys;
	StringInfoData old_image; /* of length 0 if there is none */
	StringInfoData new_image;
	int64		   size_bytes;
} RecordPage;

extern void		   record_page_begin(RecordPage *page, const char *iterator,
									 int max_records, Snapshot snapshot);
extern void		   record_page_begin_at(RecordPage *page, StreamInfo *stream,
										ShardInfo *shard, int64 position,
										int64 horizon, int max_records,
										Snapshot snapshot);
extern bool		   record_page_next(RecordPage *page);
extern void		   record_page_decode_texts(RecordPage *page);
extern const char *record_page_next_iterator(RecordPage *page);
extern void		   record_page_end(RecordPage *page);

/* 32 hexadecimal digits, unique over all streams */
#define EVENT_ID_LENGTH 32
extern void		   record_page_event_id(const ShardInfo *shard, int64 number, char *out);
extern const char *record_page_region(const StreamInfo *stream, int *length);

#endif /* DDBSTREAMS_RECORD_PAGE_H */
