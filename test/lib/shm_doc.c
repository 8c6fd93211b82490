/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	shm_doc - where each word of shared memory lies, as markdown
 *
 * DESCRIPTION
 *	Prints the tables between the marks in docs/SHM.md.  A row is made by the
 *	compiler (offsetof, sizeof), so the page cannot say what the code does
 *	not do; test/lint/shm_doc.sh compares the two.
 *
 *	Space between two rows is printed as padding: a field that was added to
 *	a struct and not here shows up there.
 */
#include "shm/frame.h"
#include "shm/layout.h"

#include <stdio.h>

static size_t next_off;

static void
begin(const char *name, const char *where)
{
	next_off = 0;
	printf("\n### struct %s\n\n%s\n\n| offset | bytes | field |\n|---:|---:|---|\n", name, where);
}

static void
row(const char *field, size_t off, size_t len)
{
	if (off != next_off)
		printf("| %zu | %zu | *padding* |\n", next_off, off - next_off);
	printf("| %zu | %zu | `%s` |\n", off, len, field);
	next_off = off + len;
}

static void
end(size_t size)
{
	if (size != next_off)
		printf("| %zu | %zu | *padding* |\n", next_off, size - next_off);
	printf("| %zu | | *end* |\n", size);
}

#define FIELD(name) row(#name, offsetof(struct THIS, name), sizeof(((struct THIS *)NULL)->name));
#define END	    end(sizeof(struct THIS));

static void
small_parts(void)
{
#define THIS cursor
	begin("cursor", "One cache line; `pos` is the publishing store.");
	FIELD(pos)
	FIELD(mark[0].pos)
	FIELD(mark[0].seq)
	FIELD(mark[1].pos)
	FIELD(mark[1].seq)
	END
#undef THIS
#define THIS ring_words
	begin("ring_words", "Inside `struct slot_page`.");
	FIELD(tail)
	FIELD(claimed)
	END
#undef THIS
#define THIS dedup_note
	begin("dedup_note", "Inside `struct slot_page`.");
	FIELD(index)
	FIELD(hash_lo)
	FIELD(hash_hi)
	FIELD(put_pos)
	END
#undef THIS
#define THIS layout_assignment
	begin("layout_assignment", "Inside `struct region_header`.");
	FIELD(assigned)
	FIELD(role)
	FIELD(number)
	FIELD(page)
	FIELD(restarts)
	FIELD(last_exit)
	END
#undef THIS
#define THIS layout_error
	begin("layout_error", "Inside `struct process_page`.");
	FIELD(guard)
	FIELD(count)
	FIELD(first_ns)
	FIELD(last_ns)
	FIELD(text)
	END
#undef THIS
#define THIS journal_stream
	begin("journal_stream", "Inside `struct journal_part`.");
	FIELD(durable)
	FIELD(start)
	FIELD(start_seq)
	FIELD(oldest)
	FIELD(retired)
	FIELD(gap_bytes)
	FIELD(reserved)
	END
#undef THIS
}

static void
region_file(void)
{
#define THIS region_header
	begin("region_header", "File `region`, from its first byte.");
	FIELD(magic)
	FIELD(layout_version)
	FIELD(instance)
	FIELD(generation)
	FIELD(boot_id)
	FIELD(slots)
	FIELD(pages)
	FIELD(ring_capacity)
	FIELD(dedup_bytes)
	FIELD(created_ns)
	FIELD(dedup_key_check)
	FIELD(reserved)
	FIELD(supervisor_pid)
	FIELD(phase)
	FIELD(ticks)
	FIELD(next_generation)
	FIELD(slot)
	FIELD(page)
	FIELD(sink)
	FIELD(sink_name)
	END
#undef THIS
#define THIS layout_sink
	begin("layout_sink", "Inside `struct region_header`: a place for a sink.");
	FIELD(name)
	FIELD(is_configured)
	FIELD(is_required)
	FIELD(kind)
	END
#undef THIS
}

static void
page_file(void)
{
#define THIS process_page
	begin("process_page", "File `page.N`, from its first byte.");
	FIELD(magic)
	FIELD(index)
	FIELD(pid)
	FIELD(active)
	FIELD(state)
	FIELD(heartbeat)
	FIELD(blocked_since_ns)
	FIELD(blocked_in)
	FIELD(title)
	FIELD(counter)
	FIELD(last_words)
	FIELD(error)
	END
#undef THIS
}

static void
slot_file(void)
{
#define THIS slot_page
	begin("slot_page", "File `slot.N`, from its first byte; the ring begins at 4096.");
	FIELD(magic)
	FIELD(stream)
	FIELD(capacity)
	FIELD(ring)
	FIELD(note)
	FIELD(active)
	FIELD(pid)
	FIELD(retired)
	FIELD(sleeping)
	FIELD(durable_wanted)
	FIELD(delivered_wanted)
	FIELD(base_seq)
	FIELD(effective_window_ms)
	FIELD(counter)
	END
#undef THIS
}

static void
journal_file(void)
{
#define THIS journal_part
	begin("journal_part", "File `journal`, from its first byte.");
	FIELD(magic)
	FIELD(slots)
	FIELD(active)
	FIELD(pid)
	FIELD(ready_generation)
	FIELD(log_end)
	FIELD(log_first)
	FIELD(commit)
	FIELD(sleeping)
	FIELD(trouble)
	FIELD(trouble_errno)
	FIELD(trouble_since_ns)
	FIELD(checkpoint_ns)
	FIELD(intake_stop)
	FIELD(counter)
	FIELD(stream)
	END
#undef THIS
}

static void
sink_file(void)
{
#define THIS sink_part
	begin("sink_part", "File `sink.N`, from its first byte.");
	FIELD(magic)
	FIELD(index)
	FIELD(ready_generation)
	FIELD(active)
	FIELD(pid)
	FIELD(breaker)
	FIELD(breaker_since_ns)
	FIELD(next_probe_ns)
	FIELD(failures)
	FIELD(is_careful)
	FIELD(sleeping)
	FIELD(beat_ns)
	FIELD(reading_log)
	FIELD(reason)
	FIELD(trial)
	FIELD(trial_stream)
	FIELD(trial_pos)
	FIELD(late_count)
	FIELD(notice_count)
	FIELD(oldest_ns)
	FIELD(bad_ns)
	FIELD(counter)
	FIELD(notice)
	FIELD(stream)
	END
#undef THIS
#define THIS sink_stream
	begin("sink_stream", "Inside `struct sink_part`.");
	FIELD(done)
	FIELD(start_seq)
	FIELD(read_pos)
	FIELD(reserved)
	END
#undef THIS
#define THIS sink_cursor
	begin("sink_cursor", "`pos` is the publishing store; a mark is a cache line.");
	FIELD(pos)
	FIELD(mark[0].pos)
	FIELD(mark[0].seq)
	FIELD(mark[0].outcome)
	FIELD(mark[1].pos)
	FIELD(mark[1].seq)
	FIELD(mark[1].outcome)
	END
#undef THIS
}

static void
dedup_file(void)
{
#define THIS dedup_header
	begin("dedup_header", "File `dedup`, from its first byte; the buckets begin at 4096.");
	FIELD(magic)
	FIELD(reserved)
	FIELD(buckets)
	FIELD(tick_ns)
	FIELD(epoch_ns)
	FIELD(swept)
	END
#undef THIS
#define THIS dedup_bucket
	begin("dedup_bucket", "One cache line, eight keys.");
	FIELD(slot)
	END
#undef THIS
}

static void
frame(void)
{
#define THIS frame_header
	begin("frame_header", "In rings and in the log; attributes and body follow.");
	FIELD(magic)
	FIELD(crc)
	FIELD(frame_len)
	FIELD(type)
	FIELD(version)
	FIELD(header_len)
	FIELD(stream)
	FIELD(flags)
	FIELD(content_type)
	FIELD(pos)
	FIELD(seq)
	FIELD(recv_ns)
	FIELD(hash_lo)
	FIELD(hash_hi)
	FIELD(tenant)
	FIELD(key_id)
	FIELD(listener)
	FIELD(schema)
	FIELD(attrs_len)
	FIELD(body_len)
	FIELD(event_ms)
	FIELD(id)
	FIELD(user_id)
	FIELD(event_type)
	FIELD(timestamp)
	FIELD(metadata)
	END
#undef THIS
#define THIS frame_gap
	begin("frame_gap", "The body of a GAP frame.");
	FIELD(to)
	FIELD(reason)
	FIELD(reserved)
	END
#undef THIS
}

int
main(void)
{
	printf("Layout version %d, frame version %d; at most %d slots and %d process pages.\n",
	    LAYOUT_VERSION, FRAME_VERSION, LAYOUT_SLOTS_MAX, LAYOUT_PAGES_MAX);
	region_file();
	page_file();
	slot_file();
	journal_file();
	sink_file();
	dedup_file();
	small_parts();
	frame();
	return ferror(stdout) != 0;
}
