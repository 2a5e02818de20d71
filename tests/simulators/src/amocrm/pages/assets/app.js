// The page itself: `APP`, navigation without reloads, areas, theme.
define(['jquery', 'notifications', 'socket', 'feed', 'widgets', 'settings'], function ($, notifications, socket, Feed, widgets, settings) {
  'use strict';

  var page = JSON.parse(document.getElementById('page').textContent);
  var AREAS = { leads: 'lcard', contacts: 'ccard', companies: 'comcard' };
  var AREA_NAMES = { leads: 'leads_card', contacts: 'contacts_card', companies: 'companies_card' };
  var current = { entity: null, feed: null, area: null, stop: null };

  function constant(name) {
    var constants = {
      user: page.user, user_rights: { is_admin: page.user.is_admin }, account: page.account, managers: page.managers,
      groups: {}, task_types: {},
    };
    return constants[name];
  }

  var APP = {
    lang_id: 'ru',
    data: { current_card: null },
    notifications: notifications,
    constant: constant,
    getBaseEntity: function () { return current.entity; },
    isCard: function () { return current.entity !== null; },
    getWidgetsArea: function () { return current.area; },
  };
  window.APP = APP;
  window.AMOCRM = APP;

  function leave() {
    widgets.leave();
    if (current.stop) current.stop();
    APP.data.current_card = null;
    current = { entity: null, feed: null, area: null, stop: null };
    $('#page_holder').empty();
  }

  function card(entity, id) {
    current.entity = entity;
    current.area = AREA_NAMES[entity];
    var feed = new Feed({ entity: entity, id: id }, page.options);
    current.feed = feed;
    APP.data.current_card = { id: id, model: { id: id, get: function () { return undefined; } }, notes: { notes: feed.collection() } };
    var $card = $('<div class="card-holder"><div class="card-holder__fields"><h2></h2><p class="card-holder__text"></p></div></div>');
    $card.append($('<div class="card-holder__feed"></div>').append(feed.$el));
    $('#page_holder').append($card);
    current.stop = socket.listen(entity + ':card:' + id, function (message) {
      if (message.type === 'rerender') feed.rerender(message.record); else feed.add(message.record);
    });
    if (id === 0) return widgets.enter(AREAS[entity]);
    return feed.load().done(function (first) {
      $card.find('h2').text(first.name);
      $card.find('.card-holder__text').text(first.text);
      page.contacts = first.contacts;
      widgets.enter(AREAS[entity]);
    });
  }

  function show(path) {
    var parts = path.split('?')[0].split('/').filter(Boolean);
    leave();
    $(document).trigger('page:changed');
    if (AREAS[parts[0]] && parts[1] === 'detail') return card(parts[0], Number(parts[2]));
    if (parts[0] === 'settings' && parts[2]) {
      var widget = widgets.find(parts[2]);
      if (!widget) return undefined;
      current.area = 'advanced-settings:' + widget.code;
      return widgets.enter('advanced_settings').always(function () {
        if (widget.instance) settings.ownPage($('#page_holder'), widget);
      });
    }
    current.area = 'widgetsSettings';
    settings.list($('#page_holder'), page);
    return widgets.enter('settings');
  }

  function go(path) {
    window.history.pushState({}, '', path);
    show(path);
  }

  function scheme(name) {
    if (name === 'dark') document.documentElement.setAttribute('data-color-scheme', 'dark');
    else document.documentElement.removeAttribute('data-color-scheme');
  }

  $(document).on('click', 'a.js-navigate, a.feed-note__linked-inner', function (event) {
    event.preventDefault();
    go($(this).attr('href'));
  });
  $('#scheme').on('click', function () {
    scheme(document.documentElement.getAttribute('data-color-scheme') === 'dark' ? 'light' : 'dark');
  });
  window.addEventListener('popstate', function () { show(window.location.pathname); });

  widgets.begin(page);
  scheme(page.options.scheme);
  socket.open();
  socket.listen('page', function (message) { scheme(message.scheme); });
  if (widgets.all().length === 0) $('#no_widget').prop('hidden', false);
  show(window.location.pathname);
});
