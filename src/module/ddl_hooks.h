/*
 * ddl_hooks.h
 *	  The hooks on DDL.
 */
#ifndef DDBSTREAMS_DDL_HOOKS_H
#define DDBSTREAMS_DDL_HOOKS_H

#include "base/ddbstreams.h"

/* Called once, when the library is preloaded. */
extern void ddl_hooks_init(void);

#endif /* DDBSTREAMS_DDL_HOOKS_H */
