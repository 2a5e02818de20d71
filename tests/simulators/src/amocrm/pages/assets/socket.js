// The page's socket: one stream of the account's messages, dispatched by channel.
define([], function () {
  'use strict';

  var listeners = [];
  var source = null;

  function dispatch(message) {
    listeners.slice().forEach(function (listener) {
      if (listener.channel === message.channel) listener.callback(message.data, message.channel);
    });
  }

  return {
    open: function () {
      source = new EventSource('/ajax/socket');
      source.onmessage = function (event) { dispatch(JSON.parse(event.data)); };
    },
    // Returns the function that ends the subscription.
    listen: function (channel, callback) {
      var listener = { channel: channel, callback: callback };
      listeners.push(listener);
      return function () {
        listeners = listeners.filter(function (other) { return other !== listener; });
      };
    },
  };
});
