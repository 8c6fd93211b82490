/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	split_scan - the two scans of split.c, compiled once for each kernel
 *
 * DESCRIPTION
 *	No guard: split.c includes this once for each kernel, with SCAN(name) to
 *	name the functions, SCAN_TARGET their target attribute, SCAN_MASKS the
 *	function that turns 64 bytes into masks and SCAN_PREFIX_XOR the one that
 *	turns quotes into strings.
 *
 *	Only brackets outside strings are visited one by one; commas are looked
 *	at only where the depth is one, so an event's inside costs almost nothing.
 *
 * PROCESS
 *	Acceptors; readers of the log for members.
 *
 * SHARED STATE
 *	None.
 */

/* Masks of the block at off; the last block is filled up with blanks, so that nothing
 * behind the text is read. */
SCAN_TARGET static inline struct masks
SCAN(block)(const uint8_t *p, size_t len, size_t off)
{
	uint8_t tail[SPLIT_BLOCK];

	if (__builtin_expect(len - off >= SPLIT_BLOCK, 1))
		return SCAN_MASKS(p + off);
	memset(tail, ' ', sizeof(tail));
	memcpy(tail, p + off, len - off);
	return SCAN_MASKS(tail);
}

/* Takes what lies inside strings out of the masks. */
SCAN_TARGET static inline void
SCAN(leave_strings)(struct masks *m, struct carry *carry)
{
	uint64_t inside;

	if (__builtin_expect((m->backslash | carry->escape) != 0, 0))
		m->quote &= ~escaped_bytes(m->backslash, &carry->escape);
	inside = SCAN_PREFIX_XOR(m->quote) ^ carry->string;
	carry->string = 0 - (inside >> 63);
	m->open &= ~inside;
	m->close &= ~inside;
	m->comma &= ~inside;
}

/* text begins with `[`. */
SCAN_TARGET static enum split_result
SCAN(array)(struct bytes text, size_t max, struct bytes *out, size_t *n_out)
{
	const uint8_t *p = text.ptr;
	struct elements e = {text, 1, out, 0, max};
	struct carry carry = {0, 0};
	enum split_result result;
	uint64_t kinds[SPLIT_DEPTH_MAX / 64 + 1] = {0};
	size_t depth = 0;

	for (size_t off = 0; off < text.len; off += SPLIT_BLOCK) {
		struct masks m = SCAN(block)(p, text.len, off);
		uint64_t brackets;

		SCAN(leave_strings)(&m, &carry);
		for (brackets = m.open | m.close; brackets != 0; brackets &= brackets - 1) {
			uint64_t bit = brackets & -brackets;
			size_t pos = off + (size_t)__builtin_ctzll(bit);
			uint64_t kind = (uint64_t)(p[pos] >> 5 & 1);

			if (depth == 1) {
				result = put_elements(&e, off, m.comma & (bit - 1));
				if (result != SPLIT_OK)
					return result;
			}
			m.comma &= -bit;
			if ((m.open & bit) != 0) {
				if (depth == SPLIT_DEPTH_MAX)
					return SPLIT_TOO_DEEP;
				depth++;
				kinds[depth / 64] &= ~(UINT64_C(1) << (depth & 63));
				kinds[depth / 64] |= kind << (depth & 63);
				continue;
			}
			if ((kinds[depth / 64] >> (depth & 63) & 1) != kind)
				return SPLIT_UNBALANCED;
			if (--depth == 0)
				return end_array(&e, pos, n_out);
		}
		if (depth == 1 && m.comma != 0) {
			result = put_elements(&e, off, m.comma);
			if (result != SPLIT_OK)
				return result;
		}
	}
	return SPLIT_UNBALANCED;
}

/* text begins with a bracket: the length up to and with its closing one, 0 if it has none. */
SCAN_TARGET static size_t
SCAN(nested_len)(struct bytes text)
{
	struct carry carry = {0, 0};
	size_t depth = 0;

	for (size_t off = 0; off < text.len; off += SPLIT_BLOCK) {
		struct masks m = SCAN(block)(text.ptr, text.len, off);
		uint64_t brackets;

		SCAN(leave_strings)(&m, &carry);
		for (brackets = m.open | m.close; brackets != 0; brackets &= brackets - 1) {
			if ((m.open & brackets & -brackets) != 0)
				depth++;
			else if (--depth == 0)
				return off + (size_t)__builtin_ctzll(brackets) + 1;
		}
	}
	return 0;
}

#undef SCAN
#undef SCAN_TARGET
#undef SCAN_MASKS
#undef SCAN_PREFIX_XOR
