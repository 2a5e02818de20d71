/**
 * Value of the attribute `form` of every field of the widget: the settings window puts it inside amoCRM's own form, which would
 * otherwise save the fields as the widget's settings and be sent by Enter. No element has this id.
 */
export const NO_FORM = 'flysense-no-form'
