//! The steps that Redis does as a whole, in its own Lua.
//!
//! Records are compared and set as they are: no script reads or writes their JSON, because Redis's
//! own reader would change numbers and empty arrays.

/// A script and the hash that Redis knows it by.
pub(super) struct Script {
    pub(super) code: String,
    pub(super) hash: String,
}

impl Script {
    fn new(code: &str) -> Self {
        let code = format!("{PRELUDE}{code}");
        let hash = redis::Script::new(&code).get_hash().to_owned();
        Self { code, hash }
    }
}

/// All of them. Each takes its session's key first, then the marks and the index that it needs.
pub(super) struct Scripts {
    pub(super) create: Script,
    pub(super) update: Script,
    pub(super) touch: Script,
    pub(super) destroy: Script,
    /// Deletes a session that still has the text that was read.
    pub(super) take: Script,
    pub(super) replace: Script,
    /// The server compares and sets without a script.
    pub(super) compares: bool,
}

impl Scripts {
    pub(super) fn new(compares: bool) -> Self {
        Self {
            create: Script::new(CREATE),
            update: Script::new(UPDATE),
            touch: Script::new(TOUCH),
            destroy: Script::new(DESTROY),
            take: Script::new(TAKE),
            replace: Script::new(REPLACE),
            compares,
        }
    }
}

/// `ARGV[1]` names what the keys are: `t` a mark, `T` that of the old id, `i` the index.
const PRELUDE: &str = "
local has = {}
for i = 1, #ARGV[1] do has[string.sub(ARGV[1], i, i)] = KEYS[i] end
local session, old, tomb, old_tomb, index = has.s, has.o, has.t, has.T, has.i
local function ended(key) return key and redis.call('EXISTS', key) == 1 end
local function mark(key, ttl) if key then redis.call('SET', key, '1', 'PX', ttl) end end
local function enter(id, ttl)
  if not index then return end
  redis.call('SADD', index, id)
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

/// id, ttl, text.
const CREATE: &str = "
if ended(tomb) or redis.call('EXISTS', session) == 1 then return 0 end
enter(ARGV[2], ARGV[3])
redis.call('SET', session, ARGV[4], 'PX', ARGV[3])
return 1
";

/// id, ttl, text, text that was read.
const UPDATE: &str = "
if ended(tomb) then return false end
local other, current = changed(session, ARGV[5])
if other then return current end
if tonumber(ARGV[3]) <= 0 then redis.call('DEL', session) return 1 end
enter(ARGV[2], ARGV[3])
redis.call('SET', session, ARGV[4], 'PX', ARGV[3])
return 1
";

/// ttl.
const TOUCH: &str = "
if ended(tomb) then return 0 end
local live = redis.call('PEXPIRE', session, ARGV[2])
if live == 1 and index then redis.call('PEXPIRE', index, ARGV[2], 'GT') end
return live
";

/// ttl of the mark.
const DESTROY: &str = "
local was_ended = ended(tomb)
local deleted = redis.call('DEL', session)
mark(tomb, ARGV[2])
if was_ended then return 0 end
return deleted
";

/// ttl of the mark, text that was read.
const TAKE: &str = "
if ended(tomb) then return false end
local other, current = changed(session, ARGV[3])
if other then return current end
redis.call('DEL', session)
mark(tomb, ARGV[2])
return 1
";

/// id, ttl, text, ttl of the mark, text that was read if any.
const REPLACE: &str = "
if ended(tomb) or redis.call('EXISTS', session) == 1 then return 0 end
if ARGV[6] then
  if ended(old_tomb) then return false end
  local other, current = changed(old, ARGV[6])
  if other then return current end
end
if tonumber(ARGV[3]) > 0 then
  enter(ARGV[2], ARGV[3])
  redis.call('SET', session, ARGV[4], 'PX', ARGV[3])
end
redis.call('DEL', old)
mark(old_tomb, ARGV[5])
return 1
";
