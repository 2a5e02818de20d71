// Markup of one event of the feed.
define(['jquery'], function ($) {
  'use strict';

  function two(number) { return (number < 10 ? '0' : '') + number; }

  function dateText(seconds) {
    var date = new Date(seconds * 1000);
    return two(date.getDate()) + '.' + two(date.getMonth() + 1) + '.' + date.getFullYear() + ' ' +
      two(date.getHours()) + ':' + two(date.getMinutes());
  }

  function duration(seconds) { return two(Math.floor(seconds / 60)) + ':' + two(seconds % 60); }

  function span(name, text) { return $('<span></span>').addClass(name).text(text); }

  // With a link: a player and a download. A link that the telephony does not let play: download only. None: nothing to press.
  function callContent(record) {
    var $content = $('<div class="feed-note__call-content"></div>');
    $content.append(document.createTextNode((record.incoming ? 'Входящий звонок от: ' : 'Исходящий звонок кому: ') + record.phone + ' '));
    $content.append(span('feed-note__call-duration', duration(record.duration)));
    if (record.link && record.playable) {
      var $player = $('<a class="feed-note__blue-link feed-note__call-player js-call-play icon--play"></a>')
        .attr({ href: record.link, 'data-prepare': record.source });
      $player.append('<span class="feed-note__call-play"></span>');
      $player.append(span('feed-note__call-player-text', 'Прослушать'));
      $content.append(' ', $player);
    } else {
      $content.append(' ', span('feed-note__call-play feed-note__call-play_disabled', 'Прослушать'));
    }
    if (record.link) {
      $content.append(' ', $('<a class="feed-note__blue-link" download></a>').attr('href', record.link).text('Скачать'));
    } else {
      $content.append(' ', span('feed-note__call-download feed-note__call-download_disabled', 'Скачать'));
    }
    return $content;
  }

  function body(record) {
    var $body = $('<div class="feed-note__body"></div>');
    if (record.kind !== 'call') return $body.append($('<p></p>').text(record.text));
    $body.append(callContent(record));
    if (record.result) $body.append($('<div class="feed-note__call-status"></div>').text(record.result));
    return $body;
  }

  // `.js-note`: everything inside the wrapper. A re-rendered note gets a new one.
  function note(record) {
    var $note = $('<div class="js-note feed-note-fixer"><div class="feed-note"><div class="feed-note__icon"></div>' +
      '<div class="feed-note__content"></div></div></div>');
    var $feed = $note.find('.feed-note').toggleClass('feed-note-incoming', record.incoming === true);
    var $content = $feed.find('.feed-note__content');
    if (record.kind === 'call') {
      $feed.find('.feed-note__icon').addClass('feed-note__icon-direction_' + (record.incoming ? 'in' : 'out'));
    }
    var $inner = $('<div class="feed-note__header-inner-nowrap"></div>');
    $inner.append(span('js-feed-note__date feed-note__date', dateText(record.created_at)));
    $inner.append(span('feed-note__date-text', ''));
    $inner.append(span('feed-note__amojo-user', record.author).attr('data-id', record.created_by));
    $('<div class="feed-note__header"><div class="feed-note__header-inner"></div></div>')
      .appendTo($content).find('.feed-note__header-inner').append($inner);
    if (record.linked) {
      var $link = $('<a class="feed-note__linked-inner"></a>').text(record.linked.name)
        .attr('href', '/' + record.linked.entity + '/detail/' + record.linked.id);
      $content.append($('<div class="feed-note__linked"></div>').append($link));
    }
    $content.append(body(record));
    return $note;
  }

  // The wrapper keeps its identity as long as the card is open.
  function wrapper(record) {
    var kind = record.kind === 'call' ? 'call_in_out' : 'common';
    var $wrapper = $('<div class="feed-note-wrapper"></div>').addClass('feed-note-wrapper-' + kind)
      .attr('data-id', record.id).append(note(record));
    if (record.pinned) $wrapper.addClass('feed-note-wrapper_pinned');
    return $wrapper[0];
  }

  return { note: note, wrapper: wrapper };
});
