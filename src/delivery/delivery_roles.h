/*
 * delivery_roles.h
 *	  Roles whose handler workers end at their start.
 */
#ifndef DELIVERY_ROLES_H
#define DELIVERY_ROLES_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"

extern TimestampTz delivery_roles_next_start(Oid role);
extern void		   delivery_roles_note_problem(Oid role);
extern void		   delivery_roles_forget_problem(Oid role);

#endif /* DELIVERY_ROLES_H */
