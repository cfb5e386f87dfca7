/*
 * row_reference.c
 *	  Changes that refer to a row version of their table.
 *
 * An image is mostly a copy of a row version as it lies in the table.  To keep
 * it in the change buffer means to write it to memory that nobody has used
 * yet, or to a file, and to read it again.  But the row version is still where
 * it was when the transaction commits, and mostly in shared buffers:
 *
 *	- a version that this transaction has made, or superseded, is removed by
 *	  nobody before the transaction has ended;
 *	- the transaction keeps its lock on the table, so nobody else gives the
 *	  table another file;
 *	- if the transaction itself does, or drops the table, the file that was
 *	  there before stays until the transaction ends;
 *	- TRUNCATE empties a file at once only if this transaction has made it, and
 *	  the changes in such files do not refer to rows (change_source.c);
 *	- a subtransaction that is aborted takes its changes with it.
 *
 * So from some number of changes on, a change has the TID of the version in
 * place of the image.  A version has no values out of line, because an image
 * that has some is no copy.
 *
 * Should a version not be there, in spite of all that, the commit fails.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"

#include "base/compat.h"
#include "base/prefetch.h"
#include "capture/change_source.h"
#include "capture/row_reference.h"

/* Returns the size of the image that a tuple of length bytes is. */
static Size
row_image_size(const HeapTupleHeaderData *tuple, Size length)
{
	Size bitmap = (tuple->t_infomask & HEAP_HASNULL) ?
					  MAXALIGN(BITMAPLEN(HeapTupleHeaderGetNatts(tuple))) :
					  0;

	return bitmap + length - tuple->t_hoff;
}

void
row_image_write(const HeapTupleHeaderData *tuple, Size length, char *out)
{
	if (tuple->t_infomask & HEAP_HASNULL)
	{
		Size size = BITMAPLEN(HeapTupleHeaderGetNatts(tuple));

		memcpy(out, tuple->t_bits, size);
		memset(out + size, 0, MAXALIGN(size) - size);
		out += MAXALIGN(size);
	}
	memcpy(out, (const char *) tuple + tuple->t_hoff, length - tuple->t_hoff);
}

void
row_reference_begin(RowReferences *references)
{
	references->current.buffer = InvalidBuffer;
	references->next.buffer = InvalidBuffer;
}

static void
unpin_page(RowPage *page)
{
	if (BufferIsValid(page->buffer))
		ReleaseBuffer(page->buffer);
	page->buffer = InvalidBuffer;
}

void
row_reference_end(RowReferences *references)
{
	unpin_page(&references->current);
	unpin_page(&references->next);
}

/* Which of its versions does a change refer to? */
static bool
refers_to_old(const FrameEntry *entry)
{
	return (entry->flags & RECORD_HAS_OLD) != 0;
}

static const ItemPointerData *
referred_tid(const ChangeItem *item)
{
	return refers_to_old((const FrameEntry *) change_item_body(item)) ?
			   &item->old_tid :
			   &item->new_tid;
}

static bool
is_on_page(const RowPage *page, const ChangeItem *item)
{
	return BufferIsValid(page->buffer) &&
		   page->block == ItemPointerGetBlockNumber(referred_tid(item)) &&
		   compat_locators_equal(page->locator,
								 change_source_get(item->source)->locator);
}

/* Pins the page of the version that a change refers to. */
static void
pin_page(RowPage *page, const ChangeItem *item)
{
	unpin_page(page);
	page->locator = change_source_get(item->source)->locator;
	page->block = ItemPointerGetBlockNumber(referred_tid(item));
	page->buffer = ReadBufferWithoutRelcache(page->locator, MAIN_FORKNUM,
											 page->block, RBM_NORMAL, NULL,
											 true /* see keeps_rows */);
}

/* Returns the place of a version on its page, or NULL if it is not there. */
static ItemId
find_version(Page page, const ItemPointerData *tid)
{
	OffsetNumber offset = ItemPointerGetOffsetNumber(tid);
	ItemId		 id;

	if (offset > PageGetMaxOffsetNumber(page))
		return NULL;
	id = PageGetItemId(page, offset);
	return ItemIdIsNormal(id) ? id : NULL;
}

/*
 * Writes the image of size bytes that a row version is.  Returns false if the
 * version is not there.
 */
static bool
copy_image(Page page, const ItemPointerData *tid, Size size, bool has_nulls,
		   char *out)
{
	ItemId			id = find_version(page, tid);
	HeapTupleHeader tuple;
	Size			found_size;

	if (id == NULL)
		return false;
	tuple = (HeapTupleHeader) PageGetItem(page, id);
	found_size = row_image_size(tuple, ItemIdGetLength(id));
	if (MAXALIGN(found_size) != size ||
		((tuple->t_infomask & HEAP_HASNULL) != 0) != has_nulls)
		return false;
	row_image_write(tuple, ItemIdGetLength(id), out);
	memset(out + found_size, 0, size - found_size);
	return true;
}

/* Writes the entry of a change that refers to a version on a page. */
static void
write_entry(Page page, const ChangeItem *item, FrameEntry *out)
{
	const FrameEntry *entry = (const FrameEntry *) change_item_body(item);
	bool			  is_old = refers_to_old(entry);
	const char		 *from = entry->images;
	char			 *to = out->images;
	char			 *end = to + entry->size;
	Size			  size;

	memcpy(out, entry, FRAME_ENTRY_SIZE);
	if (entry->event & RECORD_HAS_IDENTITY)
	{
		Size identity = RECORD_IDENTITY_SIZE(((const RecordIdentity *) from)->length);

		memcpy(to, from, identity);
		from += identity;
		to += identity;
	}
	size = is_old ? entry->old_size : end - to;
	if (!copy_image(page, referred_tid(item), size,
					entry->flags & (is_old ? RECORD_OLD_NULLS : RECORD_NEW_NULLS),
					to))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg_internal("a row version of table %u that a change refers to is not there",
								 change_source_get(item->source)->relid)));
	memcpy(to + size, from, end - (to + size));
}

/*
 * Asks for the versions on a page that the changes from first on refer to.  A
 * place that is no longer one, for want of a lock on the page, does no harm.
 */
static void
expect_versions(const RowPage *page, const RowReference *list, int first,
				int count)
{
	Page content = BufferGetPage(page->buffer);

	for (int i = first; i < count && is_on_page(page, list[i].item); i++)
	{
		ItemId id = find_version(content, referred_tid(list[i].item));

		if (id != NULL)
			prefetch_memory(content + ItemIdGetOffset(id), ItemIdGetLength(id));
	}
}

/*
 * The versions of a page are mostly not in the processor's cache, nor do they
 * lie one behind the other: those between them are of other shards.  So they
 * are all asked for before the first one is copied, and while the page behind
 * theirs is looked up; its line pointers are asked for while they are copied.
 */
void
row_reference_resolve(RowReferences *references, const RowReference *list,
					  int count)
{
	for (int first = 0, end; first < count; first = end)
	{
		RowPage *current = &references->current;
		RowPage *next = &references->next;

		if (is_on_page(next, list[first].item))
		{
			RowPage swap = *current;

			*current = *next;
			*next = swap;
		}
		else if (!is_on_page(current, list[first].item))
			pin_page(current, list[first].item);
		if (first == 0)
			expect_versions(current, list, first, count);
		for (end = first; end < count && is_on_page(current, list[end].item); end++)
			;
		/* It may have to be read, which must not happen with a page locked. */
		if (end < count)
		{
			pin_page(next, list[end].item);
			prefetch_memory(BufferGetPage(next->buffer),
							SizeOfPageHeaderData + 64 * sizeof(ItemIdData));
		}
		LockBuffer(current->buffer, BUFFER_LOCK_SHARE);
		for (int i = first; i < end; i++)
			write_entry(BufferGetPage(current->buffer), list[i].item, list[i].out);
		LockBuffer(current->buffer, BUFFER_LOCK_UNLOCK);
		if (end < count)
			expect_versions(next, list, end, count);
	}
}
