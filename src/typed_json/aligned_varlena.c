/*
 * aligned_varlena.c
 *	  Varlenas as functions take them that read them as a struct.
 */
#include "postgres.h"

#include "access/detoast.h"

#include "typed_json/aligned_varlena.h"

struct varlena *
aligned_varlena_make(Datum value, AlignedVarlena *space)
{
	struct varlena *varlena = (struct varlena *) DatumGetPointer(value);

	if (VARATT_IS_SHORT(varlena))
	{
		Size length = VARSIZE_SHORT(varlena) - VARHDRSZ_SHORT;

		SET_VARSIZE(space->data, length + VARHDRSZ);
		memcpy(space->data + VARHDRSZ, VARDATA_SHORT(varlena), length);
		return &space->header;
	}
	if (VARATT_IS_4B_U(varlena))
		return varlena;
	return detoast_attr(varlena);
}

void
aligned_varlena_release(Datum value, struct varlena *varlena,
						const AlignedVarlena *space)
{
	if (varlena != (struct varlena *) DatumGetPointer(value) &&
		(space == NULL || varlena != &space->header))
		pfree(varlena);
}
