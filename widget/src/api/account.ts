import { bodyOf, succeeded, type ApiClient } from './client'
import type { Activation, ActivationLink, CallStatistics, OccupiedSeat, Package, Preferences, Purchase, TopUpLimits, Transaction, Wallet } from './types'

/** Filter of transactions. */
export interface TransactionFilter {
  kinds: string[]
  /** First and last day, `YYYY-MM-DD` in the user's time zone, or empty. */
  from: string
  until: string
}

export interface TransactionPage {
  items: Transaction[]
  next?: string | null
}

/** What is bought: any sum, or a package. */
export type Order = { amount_kopecks: number } | { package_id: string }

export type StatisticsPeriod = 'day' | 'week' | 'month'

/** Operations on the account: wallet, purchases, preferences, activation. Every method throws an `ApiProblem`. */
export class AccountApi {
  constructor(private readonly client: ApiClient) {}

  wallet(): Promise<Wallet> {
    return bodyOf(this.client.GET('/v1/flycoins/wallet', {}))
  }

  transactions(filter: TransactionFilter, cursor?: string): Promise<TransactionPage> {
    const query = {
      ...(filter.kinds.length > 0 ? { kinds: filter.kinds.join(',') } : {}),
      ...(filter.from ? { from: dayStart(filter.from, 0) } : {}),
      ...(filter.until ? { until: dayStart(filter.until, 1) } : {}),
      ...(cursor ? { cursor } : {}),
      limit: 20,
    }
    return bodyOf(this.client.GET('/v1/flycoins/transactions', { params: { query } }))
  }

  /** Days are `YYYY-MM-DD`; `until` is the day after the last one. */
  statistics(period: StatisticsPeriod, from: string, until: string): Promise<CallStatistics> {
    const query = { period, from, until, utc_offset_min: -new Date().getTimezoneOffset() }
    return bodyOf(this.client.GET('/v1/flysense/statistics', { params: { query } }))
  }

  async packages(): Promise<Package[]> {
    return (await bodyOf(this.client.GET('/v1/flycoins/packages', {}))).items ?? []
  }

  topUpLimits(): Promise<TopUpLimits> {
    return bodyOf(this.client.GET('/v1/flycoins/top-up', {}))
  }

  /** `key` makes a repeated request the same purchase. */
  buy(order: Order, email: string, key: string): Promise<{ id: string }> {
    const params = { header: { 'Idempotency-Key': key } }
    return bodyOf(this.client.POST('/v1/flycoins/purchases', { params, body: { ...order, email, save_card: false } }))
  }

  purchase(id: string): Promise<Purchase> {
    return bodyOf(this.client.GET('/v1/flycoins/purchases/{id}', { params: { path: { id } } }))
  }

  /** Users who occupy seats; nobody if the widget gives no seats to users. */
  async seats(): Promise<OccupiedSeat[]> {
    return (await bodyOf(this.client.GET('/v1/subscription/seats', {}))).items ?? []
  }

  /** Frees the seat of a user, for administrators; returns who is left. */
  async freeSeat(userId: number): Promise<OccupiedSeat[]> {
    return (await bodyOf(this.client.DELETE('/v1/subscription/seats/{user_id}', { params: { path: { user_id: String(userId) } } }))).items ?? []
  }

  preferences(): Promise<Preferences> {
    return bodyOf(this.client.GET('/v1/flysense/preferences', {}))
  }

  setPreferences(preferences: { auto: boolean; left_channel: 'operator' | 'client' }): Promise<Preferences> {
    return bodyOf(this.client.PUT('/v1/flysense/preferences', { body: preferences }))
  }

  activation(): Promise<Activation> {
    return bodyOf(this.client.GET('/v1/flysense/activation', {}))
  }

  /** Makes a link for activation by messenger; the caller's former link ends. */
  createActivationLink(): Promise<ActivationLink> {
    return bodyOf(this.client.POST('/v1/flysense/activation', {}))
  }

  async unbind(bindingId: string): Promise<void> {
    const params = { path: { id: bindingId } }
    await succeeded(this.client.DELETE('/v1/flysense/activation/bindings/{id}', { params }))
  }
}

/** Start of a day in the user's time zone, `days` later, as the API takes it. */
function dayStart(day: string, days: number): string {
  const start = new Date(`${day}T00:00:00`)
  start.setDate(start.getDate() + days)
  return start.toISOString()
}
