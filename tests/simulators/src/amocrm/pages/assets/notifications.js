// `APP.notifications` (notifications/adding_notifications). Texts are inserted as HTML, as amoCRM does. `add_error` and
// `add_call` reach every channel of the user, so they are marked and counted apart.
define(['jquery'], function ($) {
  'use strict';

  var REQUIRED = {
    show_message: ['header', 'text'],
    show_message_error: ['header', 'text'],
    show_notification: ['text'],
    add_error: ['text'],
    add_call: ['text'],
  };

  function show(method, fields, callbacks) {
    var missing = REQUIRED[method].filter(function (name) { return !fields || fields[name] === undefined; });
    if (missing.length > 0) {
      if (callbacks && callbacks.error) callbacks.error();
      return;
    }
    var text = method === 'show_notification' ? fields.text : { header: fields.header, text: fields.text };
    var $item = $('<div class="notification__item js-notification"></div>').attr('data-method', method);
    $item.append($('<div class="notification__header"></div>').html(text.header || ''));
    $item.append($('<div class="notification__text"></div>').html(text.text || ''));
    if (/error/.test(method)) $item.addClass('notification__item_error').attr('role', 'alert');
    if (fields.link) {
      $item.addClass('notification__item_link').on('click', function () { window.location.assign(fields.link); });
    }
    if (method === 'add_error' || method === 'add_call') $item.attr('data-channels', 'screen email push');
    $('#notifications').append($item);
    if (callbacks && callbacks.done) callbacks.done();
  }

  var notifications = {};
  Object.keys(REQUIRED).forEach(function (method) {
    notifications[method] = function (fields, callbacks) { show(method, fields, callbacks); };
  });
  return notifications;
});
