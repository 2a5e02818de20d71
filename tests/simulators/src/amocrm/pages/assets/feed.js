// The feed of a card. Like amoCRM it removes and inserts every child again on each load: wrappers stay the same objects, date
// separators are new ones. Consecutive calls may be folded into a capsule whose children appear when it is expanded.
define(['jquery', 'feed_note'], function ($, feedNote) {
  'use strict';

  var LOAD_DISTANCE_PX = 300;
  var LOAD_INTERVAL_MS = 300;
  var CAPSULE_CALLS = 7;

  function Feed(card, options) {
    this.card = card;
    this.options = options;
    this.records = [];
    this.nodes = {};
    this.expanded = {};
    this.capsules = {};
    this.hasMore = false;
    this.loading = false;
    this.lastLoad = 0;
    this.build();
  }

  Feed.prototype.build = function () {
    var self = this;
    this.$el = $(
      '<div class="notes-wrapper"><div class="notes-wrapper__scroller custom-scroll">' +
      '<div class="notes-wrapper__scroller-inner"><div class="feed-search"><input type="text" placeholder="Поиск и фильтр"></div>' +
      '<div class="notes-wrapper__load-more"><span class="js-feed-load-more">Показать ещё</span></div>' +
      '<div class="notes-wrapper__notes js-notes"></div></div></div></div>');
    this.$scroller = this.$el.find('.notes-wrapper__scroller');
    this.$notes = this.$el.find('.js-notes');
    this.$scroller.on('scroll', function () { self.scrolled(); });
    this.$el.on('click', '.js-feed-load-more', function () { self.loadOlder(); });
    this.$el.on('click', '.js-grouped-expand', function (event) {
      event.preventDefault();
      self.expand($(this).attr('data-group'));
    });
    this.$el.on('click', '.js-call-play', function (event) {
      event.preventDefault();
      self.play($(this));
    });
  };

  Feed.prototype.scrolled = function () {
    var top = this.$scroller.scrollTop();
    this.$notes.children('.feed-note-wrapper_pinned').css('top', top + 'px');
    var now = Date.now();
    if (top < LOAD_DISTANCE_PX && this.hasMore && !this.loading && now - this.lastLoad >= LOAD_INTERVAL_MS) {
      this.lastLoad = now;
      this.loadOlder();
    }
  };

  Feed.prototype.url = function (before) {
    var url = '/ajax/card/' + this.card.entity + '/' + this.card.id;
    return before ? url + '?before=' + encodeURIComponent(before) : url;
  };

  Feed.prototype.take = function (page) {
    var known = this.nodes;
    var fresh = page.records.filter(function (record) { return !known[record.id]; });
    this.records = fresh.concat(this.records);
    this.records.sort(function (a, b) { return a.created_at - b.created_at || a.note_id - b.note_id; });
    fresh.forEach(function (record) { known[record.id] = feedNote.wrapper(record); });
    this.hasMore = page.has_more;
    this.oldest = page.oldest;
    this.layout();
  };

  Feed.prototype.load = function () {
    var self = this;
    return $.getJSON(this.url()).done(function (page) {
      self.take(page);
      self.$scroller.scrollTop(self.$scroller[0].scrollHeight);
    });
  };

  Feed.prototype.loadOlder = function () {
    var self = this;
    if (this.loading || !this.hasMore) return;
    this.loading = true;
    $.getJSON(this.url(this.oldest)).done(function (page) {
      var scroller = self.$scroller[0];
      var below = scroller.scrollHeight - scroller.scrollTop;
      self.take(page);
      scroller.scrollTop = scroller.scrollHeight - below;
    }).always(function () { self.loading = false; });
  };

  // An event that arrived by socket: it appears at the bottom.
  Feed.prototype.add = function (record) {
    if (this.nodes[record.id]) return this.rerender(record);
    this.nodes[record.id] = feedNote.wrapper(record);
    this.records.push(record);
    this.layout();
    this.$scroller.scrollTop(this.$scroller[0].scrollHeight);
  };

  // The note is drawn again inside its wrapper: whatever others put into it is gone.
  Feed.prototype.rerender = function (record) {
    var node = this.nodes[record.id];
    if (!node) return;
    this.records = this.records.map(function (old) { return old.id === record.id ? record : old; });
    $(node).children('.js-note').replaceWith(feedNote.note(record));
  };

  Feed.prototype.separator = function (record) {
    var day = new Date(record.created_at * 1000).toLocaleDateString('ru-RU');
    return $('<div class="note-time-label__wrapper js-notes-timeline-point"><span class="note-time-label"></span></div>')
      .attr('data-point', day).find('span').text(day).end()[0];
  };

  // Runs of consecutive calls, at most CAPSULE_CALLS each; a run of one stays alone.
  Feed.prototype.groups = function () {
    var groups = [];
    var grouping = this.options.group_calls;
    this.records.forEach(function (record) {
      var last = groups[groups.length - 1];
      var joins = grouping && record.kind === 'call' && last && last[0].kind === 'call' && last.length < CAPSULE_CALLS;
      if (joins) last.push(record); else groups.push([record]);
    });
    return groups;
  };

  Feed.prototype.capsule = function (group) {
    var key = group[0].id;
    var node = this.capsules[key];
    if (!node) {
      node = $('<div class="feed-note-wrapper feed-note-wrapper-call_in_out feed-note-wrapper-grouped-complex">' +
        '<div class="feed-note-grouped"><a href="#" class="js-grouped-expand"></a></div>' +
        '<div class="js-grouped-subviews"></div></div>')[0];
      this.capsules[key] = node;
    }
    var $node = $(node);
    $node.find('.js-grouped-expand').attr('data-group', key).text('Звонки: ' + group.length);
    var $inside = $node.children('.js-grouped-subviews');
    if (this.expanded[key]) {
      $inside.children().detach();
      group.forEach(function (record) { $inside.append(this.nodes[record.id]); }, this);
    }
    return node;
  };

  Feed.prototype.expand = function (key) {
    this.expanded[key] = true;
    this.layout();
  };

  Feed.prototype.layout = function () {
    var notes = this.$notes[0];
    var day = '';
    while (notes.firstChild) notes.removeChild(notes.firstChild);
    this.groups().forEach(function (group) {
      var label = this.separator(group[0]);
      if (label.getAttribute('data-point') !== day) {
        day = label.getAttribute('data-point');
        notes.appendChild(label);
      }
      notes.appendChild(group.length > 1 ? this.capsule(group) : this.nodes[group[0].id]);
    }, this);
    this.$el.find('.notes-wrapper__load-more').toggle(this.hasMore);
  };

  // The core moves its one player into the wrapper of the call.
  Feed.prototype.play = function ($link) {
    if (!this.$player) this.$player = $('<div class="feed-note__player"><audio controls></audio></div>');
    this.$player.find('audio').attr('src', $link.attr('href'));
    $link.closest('.feed-note-wrapper').append(this.$player);
  };

  // The Backbone collection behind the undocumented `current_card.notes`.
  Feed.prototype.collection = function () {
    var self = this;
    return {
      get: function (id) {
        var record = self.records.filter(function (one) { return one.id === String(id); })[0];
        if (!record) return undefined;
        var params = { phone: record.phone, duration: record.duration, link: record.link, src: record.source };
        return { id: record.id, attributes: { data: { params: params } } };
      },
    };
  };

  return Feed;
});
