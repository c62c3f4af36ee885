//! Names in the database, and texts inside statements.

/// The longest name: PostgreSQL truncates longer ones (`NAMEDATALEN`).
const LONGEST: usize = 63;

/// The table, and the names that derive from it.
#[derive(Clone, Debug)]
pub(super) struct TableNames {
    schema: Option<String>,
    table: String,
}

impl TableNames {
    pub(super) fn new(schema: Option<&str>, table: &str) -> Self {
        Self {
            schema: schema.map(str::to_owned),
            table: table.to_owned(),
        }
    }

    pub(super) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// Returns the table's name, quoted and with its schema.
    pub(super) fn table(&self) -> String {
        self.qualified(&self.table)
    }

    /// Returns the table of tombstones, quoted and with its schema.
    pub(super) fn tombs(&self) -> String {
        self.qualified(&self.derived("", "_tomb"))
    }

    /// Returns the table of retired ids, quoted and with its schema.
    pub(super) fn retired(&self) -> String {
        self.qualified(&self.derived("", "_retired"))
    }

    /// Returns another name in the schema of the table.
    pub(super) fn qualified(&self, name: &str) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quoted(schema), quoted(name)),
            None => quoted(name),
        }
    }

    /// Returns the table's name between two texts, shortened if PostgreSQL would truncate it: another table
    /// with the same beginning gets another.
    pub(super) fn derived(&self, before: &str, after: &str) -> String {
        let whole = format!("{before}{}{after}", self.table);
        if whole.len() <= LONGEST {
            return whole;
        }
        let mark = format!("_{:08x}", hash(&self.table));
        let mut room = LONGEST - before.len() - after.len() - mark.len();
        while !self.table.is_char_boundary(room) {
            room -= 1;
        }
        format!("{before}{}{mark}{after}", &self.table[..room])
    }
}

/// Quotes an identifier: any text is a name, none is more.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text as a literal that stays one inside dollar quotes as well.
pub(super) fn literal(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('\'', "''")
        .replace('$', "\\x24");
    format!("E'{escaped}'")
}

/// Hashes by FNV-1a: the result is the same in every process and every version.
pub(super) fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
