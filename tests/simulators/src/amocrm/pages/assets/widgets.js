// Loads the account's widgets and calls them as web_sdk/mechanics says: the module's value is a constructor, the system methods
// are put into its prototype, `render` comes first and decides whether `init` and `bind_actions` are called.
define(['jquery', 'socket'], function ($, socket) {
  'use strict';

  var installed = [];
  var state = { area: null, page: null };

  function callback(widget, name) {
    var found = widget.instance && widget.instance.callbacks && widget.instance.callbacks[name];
    return typeof found === 'function' ? found : null;
  }

  // A widget's error is the widget's: the page reports it and goes on.
  function call(widget, name, args) {
    var found = callback(widget, name);
    if (!found) return undefined;
    try {
      return found.apply(widget.instance, args || []);
    } catch (error) {
      console.error('widget ' + widget.code + ', ' + name + ':', error);
      return undefined;
    }
  }

  // One request for the token of every call: `GET /ajax/v2/integrations/<uuid>/disposable_token`.
  function authorizedAjax(widget, options) {
    var result = $.Deferred();
    $.getJSON('/ajax/v2/integrations/' + widget.client_uuid + '/disposable_token').done(function (answer) {
      var headers = $.extend({}, options.headers, { 'X-Auth-Token': answer.token });
      $.ajax($.extend({}, options, { headers: headers })).then(result.resolve, result.reject);
    }).fail(result.reject);
    return result.promise();
  }

  function settingsOf(widget) {
    return $.extend({}, widget.settings, {
      widget_code: widget.code, path: widget.path, version: widget.version, active: widget.active ? 'Y' : 'N',
      status: widget.status, oauth_client_uuid: widget.client_uuid, images_path: widget.path + '/images',
      widget_active: widget.active ? 'Y' : 'N', id: widget.id, support: widget.manifest.widget.support,
    });
  }

  function systemMethods(widget) {
    var page = state.page;
    return {
      params: settingsOf(widget),
      langs: widget.i18n,
      system: function () {
        return {
          area: state.area, amouser_id: page.user.id, amouser: page.user.email, amohash: '', domain: page.account.host,
          server: page.account.domain, subdomain: page.account.subdomain,
        };
      },
      get_settings: function () { return settingsOf(widget); },
      get_version: function () { return widget.version; },
      get_install_status: function () { return widget.status; },
      i18n: function (section) { return widget.i18n[section]; },
      set_status: function (status) { $('.js-widget-tile[data-code="' + widget.code + '"]').attr('data-status', status); },
      $authorizedAjax: function (options) { return authorizedAjax(widget, options); },
      get_current_card_contacts_data: function () {
        return Promise.resolve(window.APP.data.current_card ? page.contacts || [] : []);
      },
      listenSocketChannel: function (channel, keys, listener) { return socket.listen(channel, listener); },
    };
  }

  function works(widget, area) {
    if (!widget.active && area !== 'settings') return false;
    return widget.manifest.locations.some(function (location) { return location.replace(/-[01]$/, '') === area; });
  }

  function construct(widget, Constructor) {
    if (typeof Constructor !== 'function') {
      console.error('widget ' + widget.code + ': the module is not a constructor');
      return;
    }
    $.extend(Constructor.prototype, systemMethods(widget));
    try {
      widget.instance = new Constructor();
    } catch (error) {
      console.error('widget ' + widget.code + ', constructor:', error);
    }
  }

  function load(widget) {
    var done = $.Deferred();
    if (widget.instance) return done.resolve(widget).promise();
    // By URL with the version, so that relative names of siblings are found beside the script.
    window.requirejs([widget.path + '/script.js?v=' + widget.version], function (Constructor) {
      construct(widget, Constructor);
      done.resolve(widget);
    }, function (error) {
      console.error('widget ' + widget.code + ' is not loaded:', error);
      done.reject();
    });
    return done.promise();
  }

  function show(widget) {
    var complete = ['render', 'init', 'bind_actions'].every(function (name) { return callback(widget, name); });
    if (!complete) return;
    $.extend(widget.instance.constructor.prototype, systemMethods(widget));
    widget.shown = true;
    if (call(widget, 'render') === true) {
      call(widget, 'bind_actions');
      call(widget, 'init');
    }
  }

  return {
    begin: function (page) { state.page = page; installed = page.widgets; },
    all: function () { return installed; },
    find: function (code) { return installed.filter(function (widget) { return widget.code === code; })[0]; },
    load: load,
    call: call,
    show: show,

    // Leaves one area for another. `destroy` precedes the removal of the DOM, unless the page is told to leave it out.
    leave: function () {
      installed.forEach(function (widget) {
        if (widget.shown && !state.page.options.skip_destroy) call(widget, 'destroy');
        widget.shown = false;
      });
    },
    enter: function (area) {
      state.area = area;
      var loads = installed.filter(function (widget) { return works(widget, area); }).map(function (widget) {
        return load(widget).done(function () { if (state.area === area) show(widget); });
      });
      return $.when.apply($, loads);
    },
  };
});
