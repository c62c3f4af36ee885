// Types: those of @types/express-session, and what express-session never had. An application's own
// `declare module 'express-session' { interface SessionData { … } }` stays as it is.

import { NextFunction, Request, RequestHandler, Response } from 'express'
import expressSession = require('express-session')

declare module 'express-session' {
  interface Session {
    /** Stores the session now; without a callback it gives a promise. */
    save (): Promise<void>
    /** Reads the session again; what was not saved is gone. */
    reload (): Promise<void>
    /** Ends the session, here and for every request that still runs with it. */
    destroy (): Promise<void>
    /** Begins another session, without data, in the place of this one. */
    regenerate (): Promise<void>
    /** Gives the session another id; the data stays. */
    renew (): Promise<void>
    /** Changes one key by the value that it has by now, so that no step of another request is lost. */
    update<K extends keyof SessionData> (key: K, change: (value: SessionData[K] | undefined) => SessionData[K]): Promise<SessionData[K]>
    update<T> (key: string, change: (value: T | undefined) => T): Promise<T>
    /** Signs a user in: another id, without what another user left. */
    login (user: string | number): Promise<void>
    /** Signs the user out: the session ends. */
    logout (): Promise<void>
    /** Lists the user's sessions. */
    devices (): Promise<cloakroom.Device[]>
    /** Ends one of the user's sessions by its handle; `false` where there is none. */
    endDevice (handle: string): Promise<boolean>
    /** Ends all other sessions of the user, on every server; says how many. */
    endOthers (): Promise<number>
    /** Ends all sessions of the user, this one included; says how many. */
    endAll (): Promise<number>
    /** Waits for the session's end, and says why it ended. Stores by their URL alone. */
    ended (): Promise<'session ended' | 'session expired'>
  }
}

declare global {
  namespace Express {
    interface Request {
      /** Gives a page its token against forged requests; behind `csrf()`. */
      csrfToken (): string
    }
  }
}

/** Returns the middleware: a session for each request, stored before the response's head leaves. */
declare function cloakroom (options?: cloakroom.Options): cloakroom.Middleware

declare namespace cloakroom {
  /** express-session's options; a store may be named by its URL. */
  interface Options extends Partial<Omit<expressSession.SessionOptions, 'store'>> {
    /** A store object of express-session's kind, or `memory:`, `sqlite:PATH`, `redis://…`, `postgres://…`, `mongodb://…`. */
    store?: expressSession.Store | NativeStore | string
    /** `'express'`: a save that fails is reported after a 200, as in express-session. Default: the error handler answers. */
    errors?: 'express'
    /** cloakroom's own defaults instead of express-session's. Default: false. */
    strict?: boolean
    /** How long a store may take, in milliseconds. Default: 10 s for a store object, 2 s for one by its URL. */
    storeTimeout?: number
    /** The keys that name a session's user, the one that `login` sets first. Default: `userId` and Passport's. */
    userKeys?: string[]
    /** When a session ends, however often it is used, in milliseconds. Stores by their URL alone. Default: never; 24 h with `strict`. */
    absoluteTimeout?: number
    /** How old an id may grow before it is changed, in milliseconds. Stores by their URL alone. Default: any age. */
    renewalTimeout?: number
    /** What stands before an id in Redis. Default: `sess:`. */
    prefix?: string
    /** Whether express-session writes to the same store, and might bring back what was ended. Default: false. */
    mixedFleet?: boolean
    /** How old an answer of a cache in front of the store may be, in milliseconds. Default: there is no cache. */
    near?: number
  }

  /** The middleware, and what operators ask of its sessions. */
  interface Middleware extends RequestHandler {
    /** Ends all sessions of a user, on every server; says how many. */
    endSessionsOf (user: string | number): Promise<number>
    endSessionsOf (user: string | number, callback: (err: any, count?: number) => void): void
  }

  /** Makes a middleware that lets those through who are signed in. */
  function requireLogin (options?: GuardOptions): RequestHandler
  /** The same for those who have a role, or one of several, by the session's `roles`. */
  function requireRole (roles: string | string[], options?: GuardOptions & { rolesOf?: (user: string) => string[] | Promise<string[]> }): RequestHandler
  /** Makes a middleware that refuses requests with unsafe methods which come from another site; `req.csrfToken()` gives tokens. */
  function csrf (options?: CsrfOptions): Csrf
  /** Returns the place of this site that `next` names, `undefined` for what might lead out of it. */
  function safeNext (next: unknown): string | undefined

  /** Opens the sessions of a store for jobs, outside every request: of a store object, or of one of the core's own by its URL. */
  function manager (store: expressSession.Store | NativeStore | string, options?: ManagerOptions): Manager

  interface ManagerOptions extends Pick<Options, 'userKeys' | 'storeTimeout' | 'prefix' | 'mixedFleet' | 'near'> {
    /** The application's secrets: asked for only where servers in Rust let one user act in the place of another. */
    secret?: string | string[]
  }

  interface Manager {
    /** Opens the session of an id; `null` where there is none. */
    open (id: string): Promise<KeptSession | null>
    /** Ends the session of an id; says whether it was there. */
    end (id: string): Promise<boolean>
    /** Opens the sessions in which a user is signed in. Store objects must list theirs with ids (`all`). */
    sessionsOf (user: string | number): Promise<KeptSession[]>
    /** Ends all sessions of a user, on every server; says how many. */
    endSessionsOf (user: string | number): Promise<number>
    /** Sets the roles that guards look at in all sessions of a user; says in how many. */
    setRolesOf (user: string | number, roles: string[]): Promise<number>
  }

  /** A session as it was when a job read it. */
  interface KeptSession {
    /** The session's id. It belongs in no log. */
    readonly id: string
    /** Its data, to be changed; `save` stores what was. */
    data: Partial<SessionData> & Record<string, any>
    /** Who is signed in, `null` for nobody. */
    readonly user: string | null
    /** When its cookie ends, `null` where the browser decides. */
    readonly expires: Date | null
    /** Stores what was changed, over what is stored by now; one that has ended stays ended: `ESESSIONGONE`. Its end does not move. */
    save (): Promise<void>
    /** Changes one key by the value that it has by now; the function may be called several times. */
    update<T> (key: string, change: (value: T | undefined) => T): Promise<T>
    /** Reads it again; what was not saved is gone. */
    reload (): Promise<void>
    /** Ends it, on every server; says whether it was there. */
    end (): Promise<boolean>
  }

  /** What a guard asks for besides, and how it answers. */
  interface GuardOptions {
    /** A login that is not longer ago than so many milliseconds. Default: however long ago. */
    fresh?: number
    /** Whatever else is asked for; `false` is 403. */
    when?: (req: Request) => unknown
    /** The path to which browsers that ask for a page are sent, with `next` as the way back. Default: 401 for them as well. */
    loginAt?: string
    /** Answers in the place of the guard. */
    refused?: (req: Request, res: Response, next: NextFunction, refusal: Refusal) => void
  }

  interface CsrfOptions {
    /** Origins that may send requests besides the site's own, as `Origin` spells them: `https://pay.example`. */
    allowOrigins?: string | string[]
    refused?: GuardOptions['refused']
  }

  interface Csrf extends RequestHandler {
    /** Says whether a socket may be opened by this request: not where another site's page opens it. */
    allowsSocket (req: import('http').IncomingMessage): boolean
  }

  /** Why a request does not go on. */
  interface Refusal {
    status: number
    reason: 'login' | 'stepUp' | 'forbidden' | 'csrf' | 'away'
    /** Where a page's visitor signs in. */
    location?: string
  }

  /** One of a user's sessions. What is not known is null. */
  interface Device {
    /** What to call it by when it is to end. It is not the id. */
    handle: string
    isCurrent: boolean
    /** The user agent in words: `Firefox on Linux`. */
    name: string | null
    created: Date | null
    signedIn: Date | null
    lastSeen: Date | null
    address: string | null
    userAgent: string | null
  }

  /** One of the core's own stores, as an object. */
  class NativeStore extends expressSession.Store {
    constructor (url: string, options?: { prefix?: string, mixedFleet?: boolean, near?: number })
    get (sid: string, callback: (err: any, session?: expressSession.SessionData | null) => void): void
    set (sid: string, session: expressSession.SessionData, callback?: (err?: any) => void): void
    destroy (sid: string, callback?: (err?: any) => void): void
  }

  const Store: typeof expressSession.Store
  const Cookie: typeof expressSession.Cookie
  const Session: typeof expressSession.Session
  const MemoryStore: typeof expressSession.MemoryStore
  type SessionData = expressSession.SessionData
  type SessionOptions = Options
}

export = cloakroom
