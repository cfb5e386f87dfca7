/*
 * promise.pml
 *	  What all models share.
 *
 * A promise is a variable of its name, which is true.  Where it is broken it
 * becomes false, so that the checker names it.
 */
inline promise(name, condition)
{
	if
	:: condition -> skip
	:: else -> name = false; assert(name)
	fi
}
