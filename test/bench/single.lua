-- Single events for wrk, each with a fresh key: the thirteen digits of a real
-- event's timestamp are replaced by a number that counts up from the base.
-- Arguments: the file of events, the base.
local heads, tails, n, stamp, count = {}, {}, 0, 0, 0

function init(args)
	for line in io.lines(args[1]) do
		local from, to = line:find('"timestamp":%d+')
		if from == nil or to - from ~= 24 then
			error("an event without a timestamp of 13 digits")
		end
		n = n + 1
		heads[n] = "POST " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.host ..
		    "\r\nContent-Type: application/json\r\nContent-Length: " .. #line ..
		    "\r\n\r\n" .. line:sub(1, to - 13)
		tails[n] = line:sub(to + 1)
		if n == 1000 then
			break
		end
	end
	stamp = tonumber(args[2])
end

function request()
	count = count + 1
	stamp = stamp + 1
	if count > n then
		count = 1
	end
	return heads[count] .. stamp .. tails[count]
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format("requests %d seconds %.3f rate %.0f bad %d p50 %d p99 %d\n",
	    summary.requests, summary.duration / 1e6,
	    summary.requests / summary.duration * 1e6,
	    e.connect + e.read + e.write + e.status + e.timeout,
	    latency:percentile(50), latency:percentile(99)))
end
