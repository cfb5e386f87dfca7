/*
 * image_convert.h
 *	  From an image to a row of the type that the table has now.
 */
#ifndef DDBSTREAMS_IMAGE_CONVERT_H
#define DDBSTREAMS_IMAGE_CONVERT_H

#include "base/ddbstreams.h"

#include "shard/record_decode.h"

typedef struct ImageConverter ImageConverter;

/*
 * Makes a converter in the current memory context.  target is the descriptor
 * of the composite type that rows are to have, owner the owner of its table.
 * Casts and domain constraints run as the owner if the current role may become
 * it, else as the current role.
 */
extern ImageConverter *image_converter_create(TupleDesc target, Oid owner);

/*
 * Returns an image of the decoder's present record as a row of that type,
 * palloc'd in the current memory context.  A value that cannot be converted is
 * null there, and a WARNING says so once for each column.
 */
extern Datum image_convert(ImageConverter *converter, RecordDecoder *decoder,
						   const DecodedImage *image);

#endif /* DDBSTREAMS_IMAGE_CONVERT_H */
