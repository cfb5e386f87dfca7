/*
 * aligned_varlena.h
 *	  Varlenas as functions take them that read them as a struct.
 *
 *		AlignedVarlena	space;
 *		struct varlena *varlena = aligned_varlena_make(value, &space);
 *		... read the varlena as a struct ...
 *		aligned_varlena_release(value, varlena, &space);
 */
#ifndef DDBSTREAMS_ALIGNED_VARLENA_H
#define DDBSTREAMS_ALIGNED_VARLENA_H

#include "base/ddbstreams.h"

/* Room for a short varlena when it gets a four-byte header */
typedef union AlignedVarlena
{
	struct varlena header;
	char		   data[VARATT_SHORT_MAX + VARHDRSZ];
	int64		   force_align_int64;
	double		   force_align_double;
} AlignedVarlena;

/*
 * Returns a value with a four-byte header, uncompressed and aligned: in place,
 * in space if it is short, or palloc'd if it is compressed.  The value must
 * not be an external one.
 */
extern struct varlena *aligned_varlena_make(Datum value, AlignedVarlena *space);

/*
 * Frees what was palloc'd for a value, if anything was.  space may be NULL for
 * a varlena that another function has unpacked.
 */
extern void aligned_varlena_release(Datum value, struct varlena *varlena,
									const AlignedVarlena *space);

#endif /* DDBSTREAMS_ALIGNED_VARLENA_H */
