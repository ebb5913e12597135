"""What the Redis engine does inside Redis, where nothing comes in between.

All keys carry one hash tag, so that a cluster keeps them together:

    {<prefix>}:head            hash: identity, revision, compacted, schema
    {<prefix>}:resources       hash: <kind>\\0<mesh>\\0<name> → <version>:<body>
    {<prefix>}:index:<kind>    sorted set of <mesh>\\0<name>, for listings in order
    {<prefix>}:changes         stream, one entry per revision with the id <revision>-0: key → body, empty when deleted;
                               under the empty key stands who wrote it
    {<prefix>}:done:<writer>   the last group of a process and its first revision, so that a repeated group is noticed
    {<prefix>}:lease:<name>    hash: holder, token, beat, ttl
    {<prefix>}:released        stream that wakes candidates
"""

from __future__ import annotations

SCHEMA_VERSION = 1
"""Of what lies where, as described above."""

ROOMY = "redis.call('HDEL', KEYS[1], '')"
"""A command that needs no room; after it Redis, even when it is full, lets a script go on that needs a little."""

OPEN = (
    ROOMY
    + """
redis.call('HSETNX', KEYS[1], 'identity', ARGV[1])
redis.call('HSETNX', KEYS[1], 'revision', 0)
redis.call('HSETNX', KEYS[1], 'compacted', 0)
redis.call('HSETNX', KEYS[1], 'schema', ARGV[2])
return redis.call('HMGET', KEYS[1], 'identity', 'schema')
"""
)
"""KEYS head; ARGV identity and schema of a new store."""

COMMIT = """
local head, resources, changes, done, prefix = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1]
local at = 1
local function take() at = at + 1; return ARGV[at] end

if redis.call('HGET', head, 'identity') ~= take() then return {'gone', 0} end
local group, kept = take(), tonumber(take())
local before = redis.call('HMGET', done, 'group', 'base')
if before[1] == group then return {'stored', tonumber(before[2])} end

for _ = 1, tonumber(take()) do
  local lease, token = prefix .. ':lease:' .. take(), take()
  local entry = redis.call('HMGET', lease, 'token', 'holder')
  if entry[1] ~= token or entry[2] == '' then return {'changed', 0} end
end
for _ = 1, tonumber(take()) do
  local key, version = take(), take()
  local stored = redis.call('HGET', resources, key)
  local found = stored and tonumber(string.match(stored, '^%d+') or 0) or 0
  if found ~= tonumber(version) then return {'changed', 0} end
end

local base = tonumber(redis.call('HGET', head, 'revision'))
local revision = base
for _ = 1, tonumber(take()) do
  revision = revision + 1
  local entry = {'', group}
  for _ = 1, tonumber(take()) do
    local key, body = take(), take()
    local kind, place = string.match(key, '^([^%z]*)%z(.*)$')
    if body == '' then
      redis.call('HDEL', resources, key)
      redis.call('ZREM', prefix .. ':index:' .. kind, place)
    else
      redis.call('HSET', resources, key, string.format('%.0f:', revision) .. body)
      redis.call('ZADD', prefix .. ':index:' .. kind, 0, place)
    end
    entry[#entry + 1] = key
    entry[#entry + 1] = body
  end
  redis.call('XADD', changes, string.format('%.0f-0', revision), unpack(entry))
end
redis.call('HSET', head, 'revision', string.format('%.0f', revision))
redis.call('HSET', done, 'group', group, 'base', string.format('%.0f', base))
redis.call('EXPIRE', done, 3600)
if redis.call('XLEN', changes) > kept * 1.25 then
  redis.call('XTRIM', changes, 'MAXLEN', kept)
  local first = redis.call('XRANGE', changes, '-', '+', 'COUNT', 1)[1][1]
  redis.call('HSET', head, 'compacted', string.format('%.0f', tonumber(string.match(first, '^%d+')) - 1))
end
return {'stored', base}
"""
"""KEYS head, resources, changes, done. ARGV prefix, identity, group, changes kept, then three counted lists: leases
with token, keys with version, batches of keys with bodies. Answers what came of it, and the revision before it."""

PAGE = """
local found = redis.call('ZRANGEBYLEX', KEYS[3], ARGV[1], ARGV[2], 'LIMIT', 0, tonumber(ARGV[3]))
local values = {}
for i, place in ipairs(found) do values[i] = redis.call('HGET', KEYS[2], ARGV[4] .. '\\0' .. place) end
return {redis.call('HGET', KEYS[1], 'revision'), found, values}
"""
"""KEYS head, resources, index; ARGV first, last, limit, kind."""

TAKE = (
    ROOMY
    + """
local entry = redis.call('HMGET', KEYS[1], 'holder', 'token', 'beat')
if (entry[1] or '') ~= ARGV[3] or (entry[2] or '0') ~= ARGV[4] or (entry[3] or '0') ~= ARGV[5] then return 0 end
local token = tonumber(ARGV[4]) + 1
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'token', token, 'beat', 0, 'ttl', ARGV[2])
return token
"""
)
"""KEYS lease; ARGV holder, ttl, then holder, token and beat as they were seen."""

BEAT = (
    ROOMY
    + """
local entry = redis.call('HMGET', KEYS[1], 'holder', 'token')
if (entry[1] or '') == '' or entry[2] ~= ARGV[1] then return 0 end
redis.call('HINCRBY', KEYS[1], 'beat', 1)
return 1
"""
)
"""KEYS lease; ARGV token."""

FREE = (
    ROOMY
    + """
if redis.call('HGET', KEYS[1], 'token') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'holder', '')
  redis.call('XADD', KEYS[2], 'MAXLEN', 1, '*', 'lease', KEYS[1])
end
return 1
"""
)
"""KEYS lease, released; ARGV token."""
