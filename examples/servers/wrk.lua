-- wrk's requests: `wrk ... -s wrk.lua ADDRESS -- BYTES` uploads BYTES bytes each time, or gets if that is 0. At the end it says in a line of
-- JSON what it saw, in microseconds.
local size = 0
local message

function init(args)
  size = tonumber(args[1])
  local headers = {
    ["User-Agent"] = "wrk/4 (a load generator; loopback)",
    ["X-Request-Id"] = "7f3c2a9e-5d14-4b8a-9c61-0e2b7d4f8a35",
  }
  if size > 0 then
    headers["Content-Type"] = "application/octet-stream"
    message = wrk.format("POST", "/upload", headers, string.rep("0123456789abcdef", size / 16))
  else
    message = wrk.format("GET", "/", headers)
  end
end

function request()
  return message
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests_per_s":%.3f,"p50_us":%.3f,"p99_us":%.3f,"p999_us":%.3f,"errors":%d}\n',
    summary.requests / summary.duration * 1e6, latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
