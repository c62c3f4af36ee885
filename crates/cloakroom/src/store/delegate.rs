//! Forwards the methods of a store to another.

/// Implements [`Store`](super::Store) for a type by a store inside it.
macro_rules! delegate {
    ($type:ty, |$this:ident| $inner:expr) => {
        impl $crate::store::Store for $type {
            fn get<'a>(
                &'a self,
                id: &'a $crate::id::SessionId,
            ) -> $crate::store::StoreFuture<'a, Option<$crate::store::StoredRecord>> {
                let $this = self;
                $inner.get(id)
            }

            fn get_uncached<'a>(
                &'a self,
                id: &'a $crate::id::SessionId,
            ) -> $crate::store::StoreFuture<'a, Option<$crate::store::StoredRecord>> {
                let $this = self;
                $inner.get_uncached(id)
            }

            fn staleness(&self) -> std::time::Duration {
                let $this = self;
                $inner.staleness()
            }

            fn changes(
                &self,
                hints: $crate::store::InvalidationSink,
            ) -> Option<Box<dyn $crate::store::Changes>> {
                let $this = self;
                $inner.changes(hints)
            }

            fn expiries<'a>(
                &'a self,
                ids: &'a [$crate::id::SessionId],
            ) -> $crate::store::StoreFuture<'a, Vec<Option<$crate::clock::Timestamp>>> {
                let $this = self;
                $inner.expiries(ids)
            }

            fn create<'a>(
                &'a self,
                id: &'a $crate::id::SessionId,
                entry: &'a $crate::store::NewRecord,
            ) -> $crate::store::StoreFuture<'a, ()> {
                let $this = self;
                $inner.create(id, entry)
            }

            fn update<'a>(
                &'a self,
                id: &'a $crate::id::SessionId,
                read: &'a $crate::record::RecordText,
                entry: &'a $crate::store::NewRecord,
            ) -> $crate::store::StoreFuture<'a, $crate::store::CasOutcome> {
                let $this = self;
                $inner.update(id, read, entry)
            }

            fn touch<'a>(
                &'a self,
                id: &'a $crate::id::SessionId,
                read: &'a $crate::record::RecordText,
                entry: &'a $crate::store::NewRecord,
            ) -> $crate::store::StoreFuture<'a, bool> {
                let $this = self;
                $inner.touch(id, read, entry)
            }

            fn destroy<'a>(
                &'a self,
                id: &'a $crate::id::SessionId,
            ) -> $crate::store::StoreFuture<'a, bool> {
                let $this = self;
                $inner.destroy(id)
            }

            fn replace<'a>(
                &'a self,
                old: &'a $crate::id::SessionId,
                read: Option<&'a $crate::record::RecordText>,
                new: &'a $crate::id::SessionId,
                entry: &'a $crate::store::NewRecord,
                retired: &'a $crate::store::RetiredId,
            ) -> $crate::store::StoreFuture<'a, $crate::store::CasOutcome> {
                let $this = self;
                $inner.replace(old, read, new, entry, retired)
            }

            fn retire<'a>(
                &'a self,
                id: &'a $crate::id::SessionId,
            ) -> $crate::store::StoreFuture<'a, bool> {
                let $this = self;
                $inner.retire(id)
            }

            $crate::store::delegate_rest!(|$this| $inner);
        }
    };
}

/// Forwards the methods about many sessions, for a store that implements those about single ones itself.
macro_rules! delegate_rest {
    (|$this:ident| $inner:expr) => {
        fn destroy_by_user<'a>(
            &'a self,
            user: &'a str,
            keep: Option<&'a $crate::id::SessionId>,
        ) -> $crate::store::StoreFuture<'a, u64> {
            let $this = self;
            $inner.destroy_by_user(user, keep)
        }

        $crate::store::delegate_many!(|$this| $inner);
    };
}

/// Forwards those of them that end no session.
macro_rules! delegate_many {
    (|$this:ident| $inner:expr) => {
        fn retired<'a>(
            &'a self,
            id: &'a $crate::id::SessionId,
        ) -> $crate::store::StoreFuture<'a, Option<$crate::store::RetiredId>> {
            let $this = self;
            $inner.retired(id)
        }

        fn ends(
            &self,
            hints: $crate::store::InvalidationSink,
        ) -> Option<Box<dyn $crate::store::Ends>> {
            let $this = self;
            $inner.ends(hints)
        }

        fn check(&self) -> $crate::store::StoreFuture<'_, ()> {
            let $this = self;
            $inner.check()
        }

        fn prune(&self) -> $crate::store::StoreFuture<'_, u64> {
            let $this = self;
            $inner.prune()
        }

        fn scan<'a>(
            &'a self,
            cursor: Option<&'a str>,
            limit: usize,
        ) -> $crate::store::StoreFuture<'a, $crate::store::Page> {
            let $this = self;
            $inner.scan(cursor, limit)
        }

        fn count(&self) -> $crate::store::StoreFuture<'_, u64> {
            let $this = self;
            $inner.count()
        }

        fn set_user_keys(&self, keys: &$crate::store::UserKeys) {
            let $this = self;
            $inner.set_user_keys(keys);
        }

        fn list_by_user<'a>(
            &'a self,
            user: &'a str,
        ) -> $crate::store::StoreFuture<'a, Vec<$crate::id::SessionId>> {
            let $this = self;
            $inner.list_by_user(user)
        }
    };
}

pub(crate) use {delegate, delegate_many, delegate_rest};
