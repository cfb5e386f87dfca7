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

static const RecordData *
data_of(const RecordTuple *tuple)
{
	return RECORD_DATA(tuple->data);
}

static bool
needs_descriptor(const RecordTuple *tuple, const RecordTuple *first)
{
	return data_of(tuple)->descriptor_id != data_of(first)->descriptor_id;
}

static Size
images_size(const RecordTuple *tuple)
{
	return tuple->length - RECORD_IMAGES;
}

static Size
entry_size(const RecordTuple *tuple, const RecordTuple *first)
{
	return FRAME_ENTRY_SIZE +
		   (needs_descriptor(tuple, first) ? sizeof(int64) : 0) +
		   MAXALIGN(images_size(tuple));
}

int
frame_measure(const RecordTuple *tuples, int count, Size room, Size *length)
{
	Size total = RECORD_IMAGES;
	int	 i;

	for (i = 0; i < count; i++)
	{
		Size size = entry_size(&tuples[i], &tuples[0]);

		if (total + size > room)
			break;
		total += size;
	}
	*length = total;
	return i;
}

/* Writes an entry, and returns where the next one begins. */
static char *
write_entry(const RecordTuple *tuple, const RecordTuple *first, char *out)
{
	const RecordData *data = data_of(tuple);
	FrameEntry		 *entry = (FrameEntry *) out;
	char			 *images = entry->images;
	Size			  size = images_size(tuple);

	entry->event = data->event;
	entry->flags = data->flags;
	entry->old_size = data->old_size;
	entry->has_descriptor = needs_descriptor(tuple, first);
	entry->unused = 0;
	if (entry->has_descriptor)
	{
		memcpy(images, &data->descriptor_id, sizeof(int64));
		images += sizeof(int64);
	}
	memcpy(images, data->images, size);
	/* The padding is stored, so it must be zero. */
	memset(images + size, 0, MAXALIGN(size) - size);
	images += MAXALIGN(size);
	entry->size = images - entry->images;
	return images;
}

void
frame_build(const RecordTuple *tuples, int count, Size length, char *out)
{
	RecordData *data = RECORD_DATA(out);
	char	   *end = data->images;

	memcpy(out, tuples[0].data, RECORD_IMAGES);
	SET_VARSIZE(&data->vl_len_,
				length - RECORD_HOFF - offsetof(RecordData, vl_len_));
	data->event = RECORD_FRAME;
	data->flags = 0;
	data->old_size = count;
	for (int i = 0; i < count; i++)
		end = write_entry(&tuples[i], &tuples[0], end);
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
