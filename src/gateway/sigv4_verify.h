/*
 * sigv4_verify.h
 *	  AWS Signature Version 4: was a request signed with this secret?
 */
#ifndef DDBSTREAMS_SIGV4_VERIFY_H
#define DDBSTREAMS_SIGV4_VERIFY_H

#include "gateway/sigv4.h"

/*
 * Was the request signed with this secret?  Its time does not depend on how
 * much of the signature is right.
 */
extern bool sigv4_verify(const Sigv4Request		  *request,
						 const Sigv4Authorization *auth, const char *secret);

#endif /* DDBSTREAMS_SIGV4_VERIFY_H */
