/*
 * image_convert.h
 *	  From an image to a row of the type that the table has now.
 */
#ifndef DDBSTREAMS_IMAGE_CONVERT_H
#define DDBSTREAMS_IMAGE_CONVERT_H

#include "base/ddbstreams.h"

#include "shard/record_decode.h"

typedef struct ImageConverter ImageConverter;

extern ImageConverter *image_converter_create(TupleDesc target, Oid owner);
extern Datum		   image_convert(ImageConverter *converter, RecordDecoder *decoder,
									 const DecodedImage *image);

#endif /* DDBSTREAMS_IMAGE_CONVERT_H */
