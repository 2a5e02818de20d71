// Types of request bodies and answers: backend.
// Generated from api/openapi.json by sdk/generator: changes here are lost.

import type { SubscriptionAccess } from './shared.js'

/** Status of an install. A widget works only while it is `active`. */
export type InstallStatus =
  | 'installing'
  | 'active'
  | 'inactive'
  | 'reconnect'
  | 'uninstalled'
  | (string & {})

/** Access of a widget to an account. */
export interface AccountAccess {
  /**
   * Access token for amoCRM's API. Flysk never returns the refresh token: using it would invalidate the stored token
   * pair.
   */
  access_token: string
  /** Expiry of the access token. */
  expires_at: string
  /** The account's host, for example `demo.amocrm.ru`. */
  base_domain: string
  /** Account id in amoCRM. */
  account_id: number
  /** Install id. */
  install_id: string
  /** Always `active`: other statuses return a problem. */
  install_status: InstallStatus
  /** Settings of the install. */
  settings: unknown
  /** User id of the token; null for a request with `account_id`. */
  user_id: number | null
  /**
   * Whether the account may use the widget, or the user of the `token`, if the widget gives seats to users; null if the
   * widget sells no subscriptions.
   */
  subscription: SubscriptionAccess | null
}

/** An install: the widget in an account. */
export interface Install {
  /** Install id; the same after a reinstall. */
  id: string
  /** Account id in amoCRM. */
  account_id: number
  /** Name of the account. */
  account_name: string | null
  /** The account's host. */
  base_domain: string | null
  /** Status. */
  status: InstallStatus
  /** Version of the settings; 0 before the first change. */
  settings_version: number
  /** `sequence` of the install's last event; 0 before the first one. */
  last_event_sequence: number
  /** When access was last granted. */
  granted_at: string | null
  /** When the account began to install the widget for the first time. */
  created_at: string
  /** Time of the last change of the install, its settings included. */
  updated_at: string
}

/** A page of installs, by account id. */
export interface InstallPage {
  /** The installs. */
  items: Install[]
  /** Value of `cursor` for the next page; null on the last page. */
  next: string | null
}

/** The account: either a user's token or an account id. */
export interface PauthRequest {
  /** The `X-Auth-Token` that the widget sent to the backend. */
  token?: string | null
  /** Account id in amoCRM, for background work. */
  account_id?: number | null
  /**
   * SHA-256 of an access token that amoCRM answered with 401, as 64 lower-case hexadecimal digits. If this is still the
   * account's token, and it was issued more than ten minutes ago, it is renewed first.
   */
  refused_token_sha256?: string | null
}

/** An install's settings. */
export interface Settings {
  /** Version, incremented by every change. */
  version: number
  /** The settings: a JSON object defined by the widget. */
  settings: unknown
}

/** New settings. */
export interface SettingsInput {
  /** The version that was read. If it is not the newest, the request fails with `version_conflict`. */
  version: number
  /** All settings: a JSON object of at most 64 KiB that satisfies the widget's schema. */
  settings: unknown
  /**
   * Version of the widget that writes. If this version has its own schema, the settings are validated by it, otherwise
   * by the widget's default schema.
   */
  widget_version?: string | null
}

/** Status of the widget in the account. */
export interface WidgetStatus {
  /** Status of the install. A widget that is switched on is `active` only while the account grants access. */
  status: InstallStatus
}

/** Request to switch the widget on or off. */
export interface WidgetSwitchRequest {
  /** Account id in amoCRM. */
  account_id: number
  /** Whether the widget may work in the account. */
  on: boolean
}
