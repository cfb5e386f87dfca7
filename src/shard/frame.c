/*
 * frame.c
 *	  Several records in one row of a shard.
 *
 * A row has a tuple header, a line pointer, a number, a transaction and a
 * descriptor: 60 bytes, which cost WAL, room in the page and a look at the
 * commit log.  The records of one batch that go to the same page have all of
 * that in common, but for consecutive numbers.  So they lie in one row:
 *
 *		RecordData		number of the first, transaction, RECORD_FRAME,
 *						how many there are, descriptor of the first
 *		FrameEntry		of the first record, with its images
 *		FrameEntry		of the second one ...
 *
 * An entry whose record has another descriptor than the first one has (it is
 * of another partition, or the table was altered in between) holds its own.
 *
 * A record that goes to a page alone is a row by itself, as all records are in
 * shards that version 1.0 has filled.
 */
#include "postgres.h"

#include "shard/frame.h"

static bool
needs_descriptor(const NewRecord *record, const NewRecord *first)
{
	return record->descriptor_id != first->descriptor_id;
}

static Size
entry_size(const NewRecord *record, const NewRecord *first)
{
	return FRAME_ENTRY_SIZE +
		   (needs_descriptor(record, first) ? sizeof(int64) : 0) +
		   record->entry->size;
}

int
frame_measure(const NewRecord *records, int count, Size room, Size *length)
{
	Size total = RECORD_IMAGES;
	int	 i;

	for (i = 0; i < count; i++)
	{
		Size size = entry_size(&records[i], &records[0]);

		if (total + size > room)
			break;
		total += size;
	}
	if (i > 1)
	{
		*length = total;
		return i;
	}
	*length = frame_single_length(records[0].entry);
	return *length <= room ? 1 : 0;
}

/* Writes an entry, and returns where the next one begins. */
static char *
write_entry(const NewRecord *record, const NewRecord *first, char *out)
{
	const FrameEntry *entry = record->entry;
	FrameEntry		 *written = (FrameEntry *) out;
	char			 *images = written->images;

	if (!needs_descriptor(record, first))
	{
		memcpy(out, entry, FRAME_ENTRY_SIZE + entry->size);
		written->padding = 0;
		return out + FRAME_ENTRY_SIZE + entry->size;
	}
	memcpy(out, entry, FRAME_ENTRY_SIZE);
	written->padding = 0;
	written->has_descriptor = true;
	written->size = sizeof(int64) + entry->size;
	memcpy(images, &record->descriptor_id, sizeof(int64));
	memcpy(images + sizeof(int64), entry->images, entry->size);
	return images + sizeof(int64) + entry->size;
}

void
frame_build(const NewRecord *records, int count, Size length, char *out)
{
	HeapTupleHeader	  header = (HeapTupleHeader) out;
	RecordData		 *data = RECORD_DATA(out);
	const FrameEntry *entry = records[0].entry;
	char			 *end = data->images;

	memset(header, 0, RECORD_HOFF);
	header->t_hoff = RECORD_HOFF;
	header->t_infomask = HEAP_HASVARWIDTH;
	HeapTupleHeaderSetNatts(header, RECORD_NATTS);

	data->number = 0;
	data->transaction_id = 0;
	SET_VARSIZE(&data->vl_len_,
				length - RECORD_HOFF - offsetof(RecordData, vl_len_));
	data->descriptor_id = records[0].descriptor_id;
	if (count == 1)
	{
		data->event = entry->event;
		data->flags = entry->flags;
		data->old_size = entry->old_size;
		memcpy(data->images, entry->images, length - RECORD_IMAGES);
		return;
	}
	data->event = RECORD_FRAME;
	data->flags = 0;
	data->old_size = count;
	for (int i = 0; i < count; i++)
		end = write_entry(&records[i], &records[0], end);
	Assert(end == out + length);
}

Size
frame_next_entry(const char *tuple, Size length, Size at)
{
	const FrameEntry *entry = (const FrameEntry *) (tuple + at);

	if (at + FRAME_ENTRY_SIZE > length ||
		entry->size < MAXIMUM_ALIGNOF ||
		at + FRAME_ENTRY_SIZE + entry->size > length)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg_internal("a record does not lie within its frame")));
	return at + FRAME_ENTRY_SIZE + entry->size;
}
