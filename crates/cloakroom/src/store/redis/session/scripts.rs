//! The operations that Redis executes atomically, in Lua.
//!
//! Records are compared and set as they are: no script writes their JSON, because Redis's own parser would
//! change numbers and empty arrays. One script looks for a single number in it, member by member.

use std::sync::atomic::AtomicBool;

use crate::store::RETIRED_FOR;

/// A script and the hash by which Redis knows it.
pub(crate) struct Script {
    pub(crate) code: String,
    pub(crate) hash: String,
}

impl Script {
    fn new(code: &str) -> Self {
        let retired_for = RETIRED_FOR.as_millis();
        Self::of(format!("local retired_for = {retired_for}{PRELUDE}{code}"))
    }

    /// Deletes an absent key, to see whether scripts may.
    pub(crate) fn probe() -> Self {
        Self::of("return redis.call('DEL', KEYS[1])".to_owned())
    }

    /// Repeats the end of a session.
    pub(crate) fn again() -> Self {
        Self::new(REPEAT_END)
    }

    fn of(code: String) -> Self {
        let hash = redis::Script::new(&code).get_hash().to_owned();
        Self { code, hash }
    }
}

/// All scripts. Each takes its session's key first, then the tombstones and the index that it needs.
pub(crate) struct Scripts {
    pub(crate) create: Script,
    pub(crate) update: Script,
    /// Compares and sets a session alone: neither tombstone nor index, and an expiry in the future.
    pub(crate) swap: Script,
    pub(crate) touch: Script,
    /// Destroys a session, and retires its id if a key for that is passed.
    pub(crate) destroy: Script,
    /// Retires a session that still has the text that was read.
    pub(crate) take: Script,
    pub(crate) replace: Script,
    /// Stores a record on a condition.
    pub(crate) put: Script,
    /// `true` if the server compares and sets without a script.
    pub(crate) compares: AtomicBool,
}

impl Scripts {
    pub(crate) fn new(compares: bool) -> Self {
        Self {
            create: Script::new(CREATE),
            update: Script::new(UPDATE),
            swap: Script::of(COMPARE_AND_SET.to_owned()),
            touch: Script::new(TOUCH),
            destroy: Script::new(DESTROY),
            take: Script::new(DELETE_IF_UNCHANGED),
            replace: Script::new(REPLACE),
            put: Script::new(PUT),
            compares: AtomicBool::new(compares),
        }
    }
}

/// The common part. `ARGV[1]` names the keys: `s` the session, `o` the old one, `t` and `T` their tombstones,
/// `r` the note that the old one, or the only one, is retired, `i` the index, `f` the fence.
const PRELUDE: &str = "
local has = {}
for i = 1, #ARGV[1] do has[string.sub(ARGV[1], i, i)] = KEYS[i] end
local session, old, tomb, old_tomb, index = has.s, has.o, has.t, has.T, has.i
local function ended(key) return key and redis.call('EXISTS', key) == 1 end
local function closing_quote(text, at)
  repeat
    at = string.find(text, '[\"\\\\]', at + 1)
    local escapes = at and string.byte(text, at) == 92
    if escapes then at = at + 1 end
  until not escapes
  return at
end
local function member(text, at, name)
  -- Where the value of an object's own member begins; the object's own brace is the first step.
  if string.sub(text, at, at) ~= '{' then return end
  local depth = 0
  while true do
    at = string.find(text, '[\"{}%[%]]', at)
    if not at then return end
    local sign = string.sub(text, at, at)
    if sign == '\"' then
      local ends = closing_quote(text, at)
      if not ends then return end
      local value = string.match(text, '^%s*:%s*()', ends + 1)
      if value and depth == 1 and string.sub(text, at + 1, ends - 1) == name then return value end
      at = ends
    elseif sign == '{' or sign == '[' then depth = depth + 1
    else depth = depth - 1 end
    if depth == 0 then return end
    at = at + 1
  end
end
local function own_age(text)
  local cookie = member(text, string.match(text, '^%s*()'), 'cookie')
  local age = cookie and member(text, cookie, 'originalMaxAge')
  return age and tonumber(string.match(text, '^[%d.eE+-]+', age) or '')
end
local function lifetime(key)
  -- What Express resurrects gets its whole time again; a cookie without an end has a day. The text
  -- holds a visitor's data as well: the cookie's own member alone counts.
  local longest = math.max(redis.call('PTTL', key), 86400000)
  local text = redis.pcall('GET', key)
  local age = type(text) == 'string' and own_age(text)
  return math.min(math.max(longest, age or 0), 34560000000)
end
local function delete(key, mark, ttl)
  -- What frees memory comes first: a server that is full lets a script write after that.
  ttl = mark and lifetime(key) + ttl
  local deleted = redis.call('DEL', key)
  if mark and redis.call('PTTL', mark) < ttl then
    redis.call('SET', mark, '1', 'PX', string.format('%.0f', ttl))
  end
  return deleted
end
local function retire(why)
  if has.r then redis.call('SET', has.r, why, 'PX', retired_for) end
end
-- Of an id without a session: whether it was in use a moment ago.
local function is_retired(key, mark)
  return ended(has.r) and (ended(mark) or not ended(key))
end
local function enter(id, ttl)
  if not index then return end
  local added = redis.pcall('SADD', index, id)
  if type(added) == 'table' and added.err then
    return redis.error_reply('NOINDEX the key of the index holds something else')
  end
  redis.call('PEXPIRE', index, ttl, 'NX')
  redis.call('PEXPIRE', index, ttl, 'GT')
end
local function changed(key, read)
  local current = redis.call('GET', key)
  if not current then return true, false end
  if current ~= read then return true, {current, redis.call('PTTL', key)} end
  return false
end
";

/// Arguments: id, ttl, text, ttl of the index.
const CREATE: &str = "
if ended(tomb) or redis.call('EXISTS', session) == 1 then return 0 end
local wrong = enter(ARGV[2], ARGV[5])
if wrong then return wrong end
redis.call('SET', session, ARGV[4], 'PX', ARGV[3])
return 1
";

/// Arguments: id, ttl, text, ttl of the index, text that was read.
const UPDATE: &str = "
if ended(tomb) then return false end
local other, current = changed(session, ARGV[6])
if other then return current end
if tonumber(ARGV[3]) <= 0 then redis.call('DEL', session) return 1 end
local wrong = enter(ARGV[2], ARGV[5])
if wrong then return wrong end
redis.call('SET', session, ARGV[4], 'PX', ARGV[3])
return 1
";

/// Without the common part: its key is the session's; arguments: text, text that was read, ttl.
const COMPARE_AND_SET: &str = "
local current = redis.call('GET', KEYS[1])
if not current then return false end
if current ~= ARGV[2] then return {current, redis.call('PTTL', KEYS[1])} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 1
";

/// Arguments: id, ttl, nothing, ttl of the index.
const TOUCH: &str = "
if ended(tomb) then return 0 end
redis.call('PEXPIRE', session, ARGV[3], 'GT')
local live = redis.call('EXISTS', session)
if live == 1 then
  local wrong = enter(ARGV[2], ARGV[5])
  if wrong then return wrong end
end
return live
";

/// Arguments: ttl of the tombstone, reason of the retired id if it is to be noted.
const DESTROY: &str = "
local was_ended, was_retired = ended(tomb), ended(has.r)
local deleted = delete(session, tomb, ARGV[2])
if not was_retired then retire(ARGV[3]) end
if was_ended then return 0 end
return deleted
";

/// Arguments: ttl of the tombstone, reason of the retired id, its remaining time.
const REPEAT_END: &str = "
local deleted = delete(session, tomb, ARGV[2])
if has.r then redis.call('SET', has.r, ARGV[3], 'PX', ARGV[4], 'NX') end
return deleted
";

/// Arguments: ttl of the tombstone, reason of the retired id, text that was read if any.
const DELETE_IF_UNCHANGED: &str = "
if ARGV[4] then
  if ended(tomb) then return false end
  local other, current = changed(session, ARGV[4])
  if other then return current end
elseif is_retired(session, tomb) then
  return false
end
delete(session, tomb, ARGV[2])
retire(ARGV[3])
return 1
";

/// Arguments: id, ttl, text, ttl of the index, ttl of the tombstone, the old id, its reason, text that was
/// read if any.
const REPLACE: &str = "
if ended(tomb) or redis.call('EXISTS', session) == 1 then return 0 end
if ARGV[9] then
  if ended(old_tomb) then return false end
  local other, current = changed(old, ARGV[9])
  if other then return current end
  -- All sessions of the user are being ended: this one is not to slip away.
  if ended(has.f) and redis.call('SISMEMBER', index, ARGV[7]) == 1 then return false end
elseif is_retired(old, old_tomb) then
  return false
end
if tonumber(ARGV[3]) > 0 then
  local wrong = enter(ARGV[2], ARGV[5])
  if wrong then return wrong end
  redis.call('SET', session, ARGV[4], 'PX', ARGV[3])
end
delete(old, old_tomb, ARGV[6])
retire(ARGV[8])
if index then redis.call('SREM', index, ARGV[7]) end
return 1
";

/// Arguments: id, ttl (0 for none), text, ttl of the index; the text that is required and the most time that it
/// may have left (0 for any), or neither if there must be no session.
const PUT: &str = "
local current = redis.call('GET', session)
local left = redis.call('PTTL', session)
if ended(tomb) then current = false end
if not ARGV[6] then
  if current then return {current, left} end
  if ended(tomb) or ended(has.r) then return 0 end
else
  if not current then return false end
  local most = tonumber(ARGV[7])
  local is_later = most > 0 and (left < 0 or left > most)
  if current ~= ARGV[6] or is_later then return {current, left} end
end
local wrong = enter(ARGV[2], ARGV[5])
if wrong then return wrong end
if ARGV[3] == '0' then redis.call('SET', session, ARGV[4])
else redis.call('SET', session, ARGV[4], 'PX', ARGV[3]) end
return 1
";
