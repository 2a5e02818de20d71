import { computed, onScopeDispose, ref, shallowRef, type Ref } from 'vue'
import { asProblem } from '../api/problem'
import { useContext } from '../context'

/** Speeds of the player. */
export const SPEEDS = [1, 1.5, 2] as const

const SPEED = 'playback-speed'
/** A converted recording is asked for again after this time if the server names none, in milliseconds. */
const PREPARING_RETRY_MS = 3_000

/** State of the recording for the player. */
export type SoundState = 'idle' | 'loading' | 'preparing' | 'ready' | 'absent'

/** Audio of one call. The time is a shallow ref outside of Vuex: it changes with every frame while playing. */
export function usePlayback(audio: Ref<HTMLAudioElement | null>, transcriptionId: string, knownDurationMs: number) {
  const { callsApi, preferred, onProblem } = useContext()
  const timeMs = shallowRef(0)
  const durationMs = ref(knownDurationMs)
  const isPlaying = ref(false)
  const state = ref<SoundState>('idle')
  const problem = ref<string | null>(null)
  const reason = ref<string | null>(null)
  const speed = ref(storedSpeed(preferred.read(SPEED)))
  let frame = 0
  let retryTimer: ReturnType<typeof setTimeout> | undefined
  /** Where to go and whether to play once the recording is there. */
  let wanted: { atMs: number | null; play: boolean } = { atMs: null, play: false }
  let hasRelinked = false

  async function load(): Promise<void> {
    state.value = 'loading'
    try {
      const link = await callsApi.audioLink(transcriptionId)
      if (!audio.value) return
      if (link.url) {
        audio.value.src = link.url
        audio.value.load()
      } else if (link.state === 'preparing') {
        state.value = 'preparing'
        retryTimer = setTimeout(() => void load(), link.ask_again_ms ?? PREPARING_RETRY_MS)
      } else {
        giveUp(link.state, link.reason_label ?? null)
      }
    } catch (error) {
      const found = asProblem(error)
      onProblem(found)
      giveUp(found.code, null)
    }
  }

  function giveUp(code: string, label: string | null): void {
    state.value = 'absent'
    problem.value = code
    reason.value = label
    wanted.play = false
  }

  function play(): void {
    if (state.value === 'ready' && audio.value) {
      void audio.value.play().catch(() => onPause())
      return
    }
    wanted.play = true
    if (state.value === 'idle' || state.value === 'absent') void load()
  }

  function pause(): void {
    wanted.play = false
    audio.value?.pause()
  }

  function toggle(): void {
    if (isPlaying.value || wanted.play) pause()
    else play()
  }

  function seek(ms: number): void {
    const target = Math.min(Math.max(0, ms), durationMs.value || ms)
    timeMs.value = target
    if (state.value === 'ready' && audio.value) audio.value.currentTime = target / 1000
    else wanted.atMs = target
  }

  function setSpeed(value: number): void {
    speed.value = value
    preferred.write(SPEED, String(value))
    applySpeed()
  }

  /** A new source resets the rate to the default rate. */
  function applySpeed(): void {
    if (!audio.value) return
    audio.value.defaultPlaybackRate = speed.value
    audio.value.playbackRate = speed.value
  }

  function onReady(): void {
    if (!audio.value) return
    state.value = 'ready'
    problem.value = null
    const { duration } = audio.value
    if (Number.isFinite(duration) && duration > 0) durationMs.value = duration * 1000
    applySpeed()
    if (wanted.atMs !== null) audio.value.currentTime = wanted.atMs / 1000
    wanted.atMs = null
    if (wanted.play) void audio.value.play().catch(() => onPause())
  }

  function onPlay(): void {
    isPlaying.value = true
    wanted.play = false
    hasRelinked = false
    cancelAnimationFrame(frame)
    tick()
  }

  function onPause(): void {
    isPlaying.value = false
    cancelAnimationFrame(frame)
    readTime()
  }

  /** The link may have ended: one further link is tried before the recording counts as absent. */
  function onError(): void {
    if (state.value === 'idle' || !audio.value?.src) return
    const wasPlaying = isPlaying.value
    onPause()
    if (hasRelinked) {
      giveUp('unplayable', null)
      return
    }
    hasRelinked = true
    wanted = { atMs: timeMs.value, play: wasPlaying || wanted.play }
    void load()
  }

  function readTime(): void {
    if (audio.value && state.value === 'ready') timeMs.value = audio.value.currentTime * 1000
  }

  function tick(): void {
    readTime()
    if (isPlaying.value) frame = requestAnimationFrame(tick)
  }

  onScopeDispose(() => {
    cancelAnimationFrame(frame)
    clearTimeout(retryTimer)
    if (audio.value) {
      audio.value.pause()
      audio.value.removeAttribute('src')
      audio.value.load()
    }
  })

  const isBusy = computed(() => state.value === 'loading' || state.value === 'preparing')
  const handlers = { loadedmetadata: onReady, playing: onPlay, pause: onPause, waiting: readTime, ended: onPause, seeked: readTime, error: onError }
  return { timeMs, durationMs, isPlaying, isBusy, state, problem, reason, speed, play, pause, toggle, seek, setSpeed, load, handlers }
}

export type Playback = ReturnType<typeof usePlayback>

function storedSpeed(text: string | null): number {
  const value = Number(text)
  return SPEEDS.some((speed) => speed === value) ? value : 1
}
