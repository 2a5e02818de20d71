/** The peer: a published transcript component with the same call. It wants single words, so that each gets a share of its turn. */
import React from 'react'
import ReactDOM from 'react-dom'
import TranscriptEditor from '@bbc/react-transcript-editor'

window.mountPeer = function mountPeer(utterances) {
  const words = utterances.flatMap((turn) => {
    const texts = turn.text.split(' ')
    const length = (turn.end_ms - turn.start_ms) / 1000 / texts.length
    return texts.map((text, at) => {
      const start = turn.start_ms / 1000 + at * length
      const isLast = at === texts.length - 1
      return { start, end: start + length, confidence: 1, word: text.toLowerCase(), punct: isLast ? `${text.replace(/[.?!]$/, '')}.` : text.replace(/[.?!]$/, '') }
    })
  })
  const root = document.createElement('div')
  document.body.append(root)
  ReactDOM.render(
    React.createElement(TranscriptEditor, {
      transcriptData: { retval: { status: true, wonid: 'bench', words } }, sttJsonType: 'bbckaldi', mediaUrl: '/v1/audio', isEditable: false,
      spellCheck: false, autoSaveContentType: 'draftjs', handleAutoSaveChanges() {}, mediaType: 'audio', title: 'bench', fileName: 'bench',
    }),
    root,
  )
}
