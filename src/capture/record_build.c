/*
 * record_build.c
 *	  Making the record of a change, in the change buffer.
 *
 * A record is built as the entry of a frame, which the append has only to copy
 * into a page.  An image is a copy of the heap tuple's bytes where that is
 * possible; in a large transaction the record only refers to the tuple, and
 * the append makes the copy (row_reference.c).  An image is put together anew,
 * value by value, if the tuple has values out of line, fewer columns than the
 * relation, or types that must be rendered, and if only some columns are
 * wanted.
 *
 * A record has no references to values outside of it but to the shard's side
 * table.  Values out of line are fetched, and stay compressed if they are.  A
 * large value that makes the record too long for a page goes into the buffer
 * by itself, and from there into the side table.
 *
 * A record is made in these steps: choose_images says what it contains,
 * plan_image collects the values and their sizes, shrink_record puts values
 * aside until the record fits a page, and write_record writes it into the
 * buffer.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "mb/pg_wchar.h"

#include "base/settings.h"
#include "capture/change_source.h"
#include "capture/large_value.h"
#include "capture/record_build.h"
#include "capture/row_reference.h"
#include "registry/view_type.h"
#include "shard/frame.h"
#include "shard/side_table.h"
#include "typed_json/rendered_value.h"

/* Values out of line, rendered and virtual ones go aside from this size on. */
#define ASIDE_SIZE 1024

/* Smaller values are not put aside to make a record shorter. */
#define MIN_ASIDE_SIZE 128

/* What an image contains */
typedef enum ImageKind
{
	IMAGE_NONE,
	IMAGE_FULL, /* all columns */
	IMAGE_KEYS, /* the columns of the key */
	IMAGE_DELTA /* the columns in which it differs from the old image */
} ImageKind;

/* An image on its way into a record */
typedef struct ImagePlan
{
	ImageKind	  kind;
	bool		  is_copy; /* made of tuple, else of values and nulls */
	HeapTuple	  tuple;
	Datum		 *values;
	bool		 *nulls;
	bool		  has_nulls;
	Size		  data_size;
	VirtualValues virtuals; /* of a full image or a delta */
	bool		  is_aside; /* the whole image is, under ordinal */
	uint32		  ordinal;
} ImagePlan;

/* A record on its way into the buffer */
typedef struct RecordPlan
{
	CapturedRelation *captured;
	RecordEvent		  event;
	ChangeBucket	 *bucket;
	uint64			  hash;
	bool			 *same;
	const char		 *identity;		 /* or NULL */
	Size			  identity_size; /* in the record */
	ImagePlan		  old;
	ImagePlan		  new;
	const ImagePlan	 *referred; /* NULL, or the one that stays in the table */
} RecordPlan;

static void
choose_images(StreamViewType view, RecordEvent event, RecordPlan *plan)
{
	plan->old.kind = plan->new.kind = IMAGE_NONE;
	switch (event)
	{
		case RECORD_INSERT:
			plan->new.kind = VIEW_HAS_NEW(view) ? IMAGE_FULL : IMAGE_KEYS;
			break;
		case RECORD_REMOVE:
			plan->old.kind = VIEW_HAS_OLD(view) ? IMAGE_FULL : IMAGE_KEYS;
			break;
		case RECORD_MODIFY:
			if (VIEW_HAS_OLD(view))
				plan->old.kind = IMAGE_FULL;
			if (VIEW_HAS_NEW(view))
				plan->new.kind = VIEW_HAS_OLD(view) ? IMAGE_DELTA : IMAGE_FULL;
			if (view == VIEW_KEYS_ONLY)
				plan->new.kind = IMAGE_KEYS;
			break;
	}
}

static bool
wants_column(const RecordPlan *plan, ImageKind kind, int column)
{
	switch (kind)
	{
		case IMAGE_FULL:
			return true;
		case IMAGE_KEYS:
			return plan->captured->descriptor->columns[column].key_position > 0;
		case IMAGE_DELTA:
			return !plan->same[column];
		case IMAGE_NONE:
			break;
	}
	return false;
}

static void
measure_values(const RecordPlan *plan, ImagePlan *image)
{
	TupleDesc desc = plan->captured->descriptor->stored_desc;

	image->has_nulls = false;
	for (int i = 0; i < desc->natts && !image->has_nulls; i++)
		image->has_nulls = image->nulls[i];
	image->data_size = heap_compute_data_size(desc, image->values, image->nulls);
}

static LargeValue
large_value(const RecordPlan *plan)
{
	LargeValue value = {.bucket = plan->bucket, .hash = plan->hash};

	return value;
}

/* Adds a value to the buffer by itself; returns the reference to it. */
static Datum
put_aside(RecordPlan *plan, Datum value)
{
	LargeValue large = large_value(plan);

	return large_value_store(&large, value);
}

/* Has a version, which may be NULL, the same pointer in column i? */
static bool
has_pointer(const RowVersion *version, int i, Datum value)
{
	Pointer other;

	if (version == NULL || version->slot->tts_isnull[i])
		return false;
	other = DatumGetPointer(version->slot->tts_values[i]);
	return VARATT_IS_EXTERNAL_ONDISK(other) &&
		   memcmp(other, DatumGetPointer(value), TOAST_POINTER_SIZE) == 0;
}

/*
 * Says where a value out of line was found, column i of a version.  Returns
 * false if no copy of it can be found by that.
 */
static bool
identify_value(const RecordPlan *plan, const RowVersion *version, int i,
			   Datum value, LargeValue *large)
{
	bool is_new = version->after == NULL && plan->event != RECORD_REMOVE;

	if (!plan->captured->is_heap ||
		!large_value_identify(value, &large->identity) ||
		(large->identity.extinfo & VARLENA_EXTSIZE_MASK) + VARHDRSZ < ASIDE_SIZE)
		return false;
	large->generation =
		change_source_get(plan->captured->source)->generation;
	if (!is_new)
		large->holder = HeapTupleHeaderGetXmin(version->tuple->t_data);
	else if (has_pointer(version->before, i, value))
		large->holder = HeapTupleHeaderGetXmin(version->before->tuple->t_data);
	if (is_new)
		large->keeper = HeapTupleHeaderGetXmin(version->tuple->t_data);
	else if (has_pointer(version->after, i, value))
		large->keeper = HeapTupleHeaderGetXmin(version->after->tuple->t_data);
	return true;
}

/* Returns what is stored for the value of a varlena column, i. */
static Datum
stored_value(RecordPlan *plan, const RowVersion *version, int i, Oid type)
{
	ColumnForm		form = plan->captured->descriptor->columns[i].form;
	Datum			value = version->slot->tts_values[i];
	LargeValue		large = large_value(plan);
	struct varlena *pointer;
	Datum			reference;

	if (form == COLUMN_RENDERED)
		pointer = rendered_value_make(type, value);
	else if (!VARATT_IS_EXTERNAL(DatumGetPointer(value)))
		return value;
	else if (identify_value(plan, version, i, value, &large) &&
			 large_value_find(&large, &reference))
		return reference;
	else
		pointer = detoast_external_attr((struct varlena *) DatumGetPointer(value));

	if (VARSIZE_ANY(pointer) < ASIDE_SIZE)
		return PointerGetDatum(pointer);
	reference = large_value_store(&large, PointerGetDatum(pointer));
	pfree(pointer);
	return reference;
}

/* Puts the value of column i, the n-th virtual one, into an image. */
static void
put_virtual_value(RecordPlan *plan, ImagePlan *image, int i, int n)
{
	Datum value = image->virtuals.values[n];

	image->values[i] = (Datum) 0;
	image->nulls[i] = image->virtuals.nulls[n] ||
					  !wants_column(plan, image->kind, i);
	if (!image->nulls[i])
		image->values[i] = VARSIZE_ANY(DatumGetPointer(value)) < ASIDE_SIZE ?
							   value :
							   put_aside(plan, value);
}

static void
plan_values(RecordPlan *plan, TupleDesc tupdesc, const RowVersion *version,
			ImagePlan *image)
{
	RowDescriptor *descriptor = plan->captured->descriptor;
	int			   virtuals = 0;

	slot_getallattrs(version->slot);
	image->is_copy = false;
	image->values = palloc(descriptor->natts * sizeof(Datum));
	image->nulls = palloc(descriptor->natts * sizeof(bool));
	for (int i = 0; i < descriptor->natts; i++)
	{
		RowColumn		 *column = &descriptor->columns[i];
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);

		if (column->is_virtual && image->kind != IMAGE_KEYS)
		{
			put_virtual_value(plan, image, i, virtuals++);
			continue;
		}
		image->nulls[i] = version->slot->tts_isnull[i] ||
						  column->form == COLUMN_DROPPED ||
						  !wants_column(plan, image->kind, i);
		image->values[i] = image->nulls[i] ? (Datum) 0 :
											 version->slot->tts_values[i];
		if (!image->nulls[i] &&
			(column->form == COLUMN_RENDERED || att->attlen == -1))
			image->values[i] = stored_value(plan, version, i, att->atttypid);
	}
	measure_values(plan, image);
}

static void
plan_image(RecordPlan *plan, TupleDesc tupdesc, const RowVersion *version,
		   ImagePlan *image)
{
	HeapTuple tuple = version->tuple;

	if (image->kind == IMAGE_FULL && plan->captured->plain &&
		!HeapTupleHasExternal(tuple) &&
		HeapTupleHeaderGetNatts(tuple->t_data) == plan->captured->descriptor->natts)
	{
		image->is_copy = true;
		image->tuple = tuple;
		image->has_nulls = HeapTupleHasNulls(tuple);
		image->data_size = tuple->t_len - tuple->t_data->t_hoff;
	}
	else
		plan_values(plan, tupdesc, version, image);
}

static Size
bitmaps_size(const RecordPlan *plan, const ImagePlan *image)
{
	Size one = BITMAPLEN(plan->captured->descriptor->natts);

	return MAXALIGN((image->has_nulls ? one : 0) +
					(image->kind == IMAGE_DELTA ? one : 0));
}

static Size
image_size(const RecordPlan *plan, const ImagePlan *image)
{
	return bitmaps_size(plan, image) + image->data_size;
}

/* Returns how many bytes an image takes in its record. */
static Size
inline_size(const RecordPlan *plan, const ImagePlan *image)
{
	if (image->kind == IMAGE_NONE)
		return 0;
	return image->is_aside ? sizeof(uint32) : image_size(plan, image);
}

/* Returns the size of what the record has behind its header. */
static Size
images_size(const RecordPlan *plan)
{
	return plan->identity_size + MAXALIGN(inline_size(plan, &plan->old)) +
		   inline_size(plan, &plan->new);
}

static bool
is_too_long(const RecordPlan *plan)
{
	return RECORD_IMAGES + images_size(plan) > RECORD_MAX_LENGTH;
}

static void
write_image(const RecordPlan *plan, const ImagePlan *image, char *out)
{
	RowDescriptor *descriptor = plan->captured->descriptor;
	Size		   one = BITMAPLEN(descriptor->natts);
	Size		   bitmaps = bitmaps_size(plan, image);
	uint8		  *null_bits = NULL;
	uint16		   infomask;

	if (image->is_copy)
	{
		row_image_write(image->tuple->t_data, image->tuple->t_len, out);
		return;
	}
	memset(out, 0, bitmaps);
	if (image->kind == IMAGE_DELTA)
	{
		for (int i = 0; i < descriptor->natts; i++)
		{
			if (plan->same[i])
				out[i >> 3] |= 1 << (i & 7);
		}
	}
	if (image->has_nulls)
		null_bits = (uint8 *) out + (image->kind == IMAGE_DELTA ? one : 0);

	/* heap_fill_tuple does not write the padding between values. */
	memset(out + bitmaps, 0, image->data_size);
	heap_fill_tuple(descriptor->stored_desc, image->values, image->nulls,
					out + bitmaps, image->data_size, &infomask, null_bits);
}

/*
 * Finds the largest value of the images that is worth being put aside; false
 * if there is none.
 */
static bool
find_largest(RecordPlan *plan, ImagePlan **image, int *column)
{
	ImagePlan *images[] = {&plan->old, &plan->new};
	TupleDesc  desc = plan->captured->descriptor->stored_desc;
	Size	   largest = MIN_ASIDE_SIZE - 1;

	for (int n = 0; n < 2; n++)
	{
		if (images[n]->kind == IMAGE_NONE)
			continue;
		for (int i = 0; i < desc->natts; i++)
		{
			Pointer value = DatumGetPointer(images[n]->values[i]);

			if (images[n]->nulls[i] || TupleDescAttr(desc, i)->attlen != -1 ||
				VARATT_IS_EXTERNAL(value) || VARSIZE_ANY(value) <= largest)
				continue;
			largest = VARSIZE_ANY(value);
			*image = images[n];
			*column = i;
		}
	}
	return largest >= MIN_ASIDE_SIZE;
}

static void
put_image_aside(RecordPlan *plan, ImagePlan *image)
{
	Size	   size = image_size(plan, image);
	bytea	  *bytes = palloc(VARHDRSZ + size);
	char	  *aligned = palloc(size);
	LargeValue large = large_value(plan);

	write_image(plan, image, aligned);
	SET_VARSIZE(bytes, VARHDRSZ + size);
	memcpy(VARDATA(bytes), aligned, size);
	image->ordinal =
		side_table_reference_ordinal(large_value_store(&large, PointerGetDatum(bytes)));
	image->is_aside = true;
	pfree(aligned);
	pfree(bytes);
}

/*
 * Makes a record fit a page: puts large values aside, the largest one first,
 * and if only small ones are left, whole images.
 */
static void
shrink_record(RecordPlan *plan, TupleDesc tupdesc, const RowVersion *old,
			  const RowVersion *new)
{
	ImagePlan *image = NULL;
	int		   column = 0;

	if (plan->old.kind != IMAGE_NONE && plan->old.is_copy)
		plan_values(plan, tupdesc, old, &plan->old);
	if (plan->new.kind != IMAGE_NONE && plan->new.is_copy)
		plan_values(plan, tupdesc, new, &plan->new);

	while (is_too_long(plan) &&
		   find_largest(plan, &image, &column))
	{
		image->values[column] = put_aside(plan, image->values[column]);
		measure_values(plan, image);
	}
	if (is_too_long(plan) && plan->new.kind != IMAGE_NONE)
		put_image_aside(plan, &plan->new);
	if (is_too_long(plan) && plan->old.kind != IMAGE_NONE)
		put_image_aside(plan, &plan->old);
	Assert(!is_too_long(plan));
}

static void
put_image(const RecordPlan *plan, const ImagePlan *image, char *out)
{
	if (image->is_aside)
		memcpy(out, &image->ordinal, sizeof(uint32));
	else
		write_image(plan, image, out);
}

static uint8
record_flags(const RecordPlan *plan)
{
	uint8 flags = 0;

	if (plan->old.kind != IMAGE_NONE)
		flags |= RECORD_HAS_OLD |
				 (plan->old.has_nulls ? RECORD_OLD_NULLS : 0) |
				 (plan->old.is_aside ? RECORD_OLD_ASIDE : 0);
	if (plan->new.kind != IMAGE_NONE)
		flags |= RECORD_HAS_NEW |
				 (plan->new.has_nulls ? RECORD_NEW_NULLS : 0) |
				 (plan->new.is_aside ? RECORD_NEW_ASIDE : 0) |
				 (plan->new.kind == IMAGE_DELTA ? RECORD_NEW_DELTA : 0);
	if (plan->old.kind == IMAGE_KEYS || plan->new.kind == IMAGE_KEYS)
		flags |= RECORD_KEYS_ONLY;
	return flags;
}

static void
write_identity(const RecordPlan *plan, char *out)
{
	RecordIdentity *identity = (RecordIdentity *) out;

	memset(identity, 0, plan->identity_size);
	identity->length = strlen(plan->identity);
	memcpy(identity->text, plan->identity, identity->length);
}

/* Returns how much of the images is not written, because it is referred to. */
static Size
referred_size(const RecordPlan *plan)
{
	return plan->referred == NULL ? 0 :
									MAXALIGN(image_size(plan, plan->referred));
}

/* Writes the entry of a frame that the record is; size is its images'. */
static void
write_record(const RecordPlan *plan, RecordEvent event, FrameEntry *out, Size size)
{
	char *images = out->images + plan->identity_size;
	Size  old_size = MAXALIGN(inline_size(plan, &plan->old));

	out->event = event;
	out->flags = record_flags(plan);
	out->old_size = old_size;
	out->size = MAXALIGN(size);
	out->has_descriptor = false;
	out->padding = MAXALIGN(size) - size;
	/* Padding is stored, so it must be zero. */
	if (MAXALIGN(size) > referred_size(plan))
		memset(out->images + MAXALIGN(size) - referred_size(plan) - MAXIMUM_ALIGNOF,
			   0, MAXIMUM_ALIGNOF);
	if (plan->identity != NULL)
	{
		out->event |= RECORD_HAS_IDENTITY;
		write_identity(plan, out->images);
	}
	if (plan->old.kind != IMAGE_NONE && plan->referred != &plan->old)
	{
		memset(images + old_size - MAXIMUM_ALIGNOF, 0, MAXIMUM_ALIGNOF);
		put_image(plan, &plan->old, images);
		images += old_size;
	}
	if (plan->new.kind != IMAGE_NONE && plan->referred != &plan->new)
		put_image(plan, &plan->new, images);
}

static void
set_tid(ItemPointer tid, const RowVersion *version)
{
	if (version != NULL)
		*tid = version->tuple->t_self;
	else
		ItemPointerSetInvalid(tid);
}

/*
 * Reserves an item for a change, with body_size bytes for its body, and fills
 * in all else.
 */
static ChangeItem *
add_item(ChangeBucket *bucket, CapturedRelation *captured, ChangeKind kind,
		 uint64 hash, const RowVersion *old, const RowVersion *new,
		 CommandId cid, Size body_size)
{
	const RowVersion *keyed = new ? new : old;
	bool			  has_key_hash = !captured->partition_is_key;
	Size			  key_size = has_key_hash ? sizeof(uint64) : 0;
	ChangeItem		 *item = change_buffer_reserve(bucket, key_size + body_size);

	item->hash = hash;
	item->cid = cid;
	item->source = captured->source;
	item->has_key_hash = has_key_hash;
	item->kind = kind;
	item->is_reference = false;
	item->follows_remove = false;
	set_tid(&item->old_tid, old);
	set_tid(&item->new_tid, new);
	if (has_key_hash)
		*(uint64 *) ((char *) item + CHANGE_ITEM_HEADER) =
			captured_relation_hash(captured->key, captured->key_count,
								   keyed->slot);
	return item;
}

/*
 * Notes whether the bucket's changes have to be ordered.  Changes of one
 * command are captured in the order in which it made them.  A change of an
 * earlier command that is captured behind one of a later command is out of
 * order.
 */
static void
note_command(ChangeBucket *bucket, CommandId cid)
{
	if (cid < bucket->highest_cid)
		bucket->disordered = true;
	else
		bucket->highest_cid = cid;
}

/*
 * The update is a link in the row's chain of versions, without which a later
 * change would seem to begin with a version from before this transaction.  It
 * is needed only where there is something to order.
 */
void
record_build_unchanged(CapturedRelation *captured, StreamBuffer *buffer,
					   const RowVersion *old, const RowVersion *new,
					   CommandId cid)
{
	ChangeBucket *bucket;
	ChangeItem	 *item;
	uint64		  hash;

	hash = captured_relation_hash(captured->partition, captured->partition_count,
								  new->slot);
	bucket = change_buffer_bucket(buffer, hash);
	note_command(bucket, cid);
	if (bucket->end == 0)
		return;
	item = add_item(bucket, captured, ITEM_UNCHANGED, hash, old, new, cid, 0);
	change_buffer_commit(bucket, item);
}

/*
 * Computes virtual columns, and sets same for them: they are not in the tuples
 * that capture has compared.
 */
static void
compute_virtuals(RecordPlan *plan, const RowVersion *old, const RowVersion *new)
{
	RowDescriptor *descriptor = plan->captured->descriptor;
	int			   n = 0;

	if (plan->old.kind == IMAGE_FULL)
		virtual_columns_compute(plan->captured->virtuals, old->slot,
								&plan->old.virtuals);
	if (plan->new.kind == IMAGE_FULL || plan->new.kind == IMAGE_DELTA)
		virtual_columns_compute(plan->captured->virtuals, new->slot,
								&plan->new.virtuals);
	for (int i = 0; plan->new.kind == IMAGE_DELTA && i < descriptor->natts; i++)
	{
		if (descriptor->columns[i].is_virtual)
			plan->same[i] = virtual_columns_equal(&plan->old.virtuals,
												  &plan->new.virtuals, n++);
	}
}

/* Returns the image that is left where it is in the table, or NULL. */
static const ImagePlan *
image_to_refer(const RecordPlan *plan)
{
	const ImagePlan *image = plan->old.kind == IMAGE_FULL ? &plan->old : &plan->new;

	return image->is_copy &&
				   change_buffer_may_refer(plan->captured->source,
										   image->data_size) ?
			   image :
			   NULL;
}

ChangeBucket *
record_build(CapturedRelation *captured, StreamBuffer *buffer, TupleDesc tupdesc,
			 RecordEvent event, const RowVersion *old, const RowVersion *new,
			 bool *same, const ChangeBucket *removed_from,
			 CommandId cid)
{
	const RowVersion *keyed = event == RECORD_REMOVE ? old : new;
	RecordPlan		  plan;
	ChangeItem		 *item;
	Size			  size;

	memset(&plan, 0, sizeof(plan));
	plan.captured = captured;
	plan.event = event;
	plan.same = same;
	plan.hash = captured_relation_hash(captured->partition,
									   captured->partition_count, keyed->slot);
	plan.bucket = change_buffer_bucket(buffer, plan.hash);
	/*
	 * A configuration file is read for all databases.  An identity that it
	 * sets, and that is no text in the encoding of this one, is left out.
	 */
	if (setting_user_identity[0] != '\0' &&
		pg_verifymbstr(setting_user_identity, strlen(setting_user_identity), true))
	{
		plan.identity = setting_user_identity;
		plan.identity_size = RECORD_IDENTITY_SIZE(strlen(plan.identity));
	}
	choose_images(captured->view_type, event, &plan);
	if (captured->virtuals != NULL)
		compute_virtuals(&plan, old, new);
	if (plan.old.kind != IMAGE_NONE)
		plan_image(&plan, tupdesc, old, &plan.old);
	if (plan.new.kind != IMAGE_NONE)
		plan_image(&plan, tupdesc, new, &plan.new);
	if (is_too_long(&plan))
		shrink_record(&plan, tupdesc, old, new);

	size = images_size(&plan);
	plan.referred = image_to_refer(&plan);
	item = add_item(plan.bucket, captured, ITEM_CHANGE, plan.hash, old, new, cid,
					FRAME_ENTRY_SIZE + MAXALIGN(size) - referred_size(&plan));
	item->is_reference = plan.referred != NULL;
	item->follows_remove = plan.bucket == removed_from;
	write_record(&plan, event, (FrameEntry *) change_item_body(item), size);
	change_buffer_commit(plan.bucket, item);
	note_command(plan.bucket, cid);
	return plan.bucket;
}
